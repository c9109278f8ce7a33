package route

// Group is the requests of a step that one statement would carry: the same
// caller, key, need and action pattern, such as ReEncryptFrom and ReEncryptTo
// under kms:ReEncrypt*. The first request speaks for all.
type Group struct {
	RequestProof
	Requests []RequestProof
}

// Groups puts the requests of a step together, in order, with the worst
// verdict of each group.
func Groups(rs []RequestProof) []Group {
	var gs []Group
	for _, r := range rs {
		i := 0
		for i < len(gs) && !gs[i].holds(&r) {
			i++
		}
		if i == len(gs) {
			gs = append(gs, Group{RequestProof: r})
		}
		g := &gs[i]
		g.Requests = append(g.Requests, r)
		if r.Verdict > g.Verdict {
			g.RequestProof = r
		}
	}
	return gs
}

func (g *Group) holds(r *RequestProof) bool {
	return g.Caller == r.Caller && g.Key == r.Key && g.Use.Need == r.Use.Need && g.Use.Asks() == r.Use.Asks()
}
