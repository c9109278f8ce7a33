package route

import "slices"

// ofBackup adds to an artifact what the route's backup part says of it.
func (b *boundStep) ofBackup(a *Artifact) {
	part := b.route.Backup
	if part == nil {
		return
	}
	a.Store, a.Offline, a.Key = part.Store, part.offline(), b.route.ObjectKey()
	for _, p := range b.route.WrapKeys() {
		if !slices.Contains(a.Keys, p.Key) {
			a.Keys = append(a.Keys, p.Key)
		}
	}
	if _, _, inS3 := part.Bucket(); !inS3 {
		a.Account, a.Region = "", "" // of a directory nobody says where it is
	}
}

// takesKey returns why a key is gone with the loss, or nothing when it is not.
func (l Loss) takesKey(key string) string { return l.Takes(&Artifact{Key: key}) }

// takesBackup is Takes for an envelope: it has to be there, S3 has to be able to read it,
// and one of the keys has to be left, or something outside AWS.
func (l Loss) takesBackup(a *Artifact) string {
	switch {
	case l.Kind == "account" && a.Account == l.Name:
		return "it lies in account " + l.Name + l.elsewhere(a)
	case l.Kind == "region" && a.Region == l.Name:
		return "it lies in " + l.Name + l.elsewhere(a)
	}
	if a.Key != "" {
		if why := l.takesKey(a.Key); why != "" {
			return "S3 cannot read it any more: " + why + l.elsewhere(a)
		}
	}
	if len(a.Offline) > 0 || len(l.left(a)) > 0 {
		return ""
	}
	return "every key that opens it is gone"
}

// left are the keys that the loss leaves.
func (l Loss) left(a *Artifact) []string {
	return slices.DeleteFunc(slices.Clone(a.Keys), func(key string) bool { return l.takesKey(key) != "" })
}

// elsewhere says by what a copy in another place would still open.
func (l Loss) elsewhere(a *Artifact) string {
	by := slices.Concat(l.left(a), a.Offline)
	if len(by) == 0 {
		return ", and every key that opens it is gone"
	}
	return "; a copy in another place would still open, by " + by[0]
}

// backupOpener finds who opens a backup that survives, and by which key. What lies outside
// AWS opens it when nobody does.
func (p *Proof) backupOpener(v *Survivor, l Loss) {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Name != "unwrap" || l.Kind == "account" && s.Account == l.Name {
			continue
		}
		reads := p.reads(s)
		for j := range s.Requests {
			q := &s.Requests[j]
			if q.Use.Action != "kms:Decrypt" || l.takesKey(q.Key) != "" {
				continue
			}
			if verdict := max(q.Verdict, reads); v.By == "" || verdict < v.Verdict {
				v.By, v.With, v.Verdict = s.Actor, q.Key, verdict
			}
		}
	}
	switch {
	case len(v.Offline) > 0 && (v.By == "" || v.Verdict > Fragile):
		v.By, v.With, v.Verdict = "whoever holds the identity", v.Offline[0], p.offlineReads(l)
	case v.By == "":
		v.Gone = "nobody who opens it is left"
	}
}

// reads is how the step by which the same principal reads the object comes out.
func (p *Proof) reads(unwrap *StepProof) Verdict {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Name == "restore" && s.Actor == unwrap.Actor && s.For == unwrap.For {
			return s.Verdict
		}
	}
	return Proven
}

// offlineReads is the best way by which anybody who is left reads the object.
func (p *Proof) offlineReads(l Loss) Verdict {
	best, any := Blocked, false
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Name != "restore" {
			continue
		}
		any = true
		if l.Kind != "account" || s.Account != l.Name {
			best = min(best, s.Verdict)
		}
	}
	if !any {
		return Proven
	}
	return best
}
