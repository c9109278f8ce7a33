package diagnose

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/keyreach/keyreach/awsfacts"
)

// The tables are the same for everybody and never change.
var (
	allForms = sync.OnceValue(forms)
	allRules = sync.OnceValue(rules)
)

// shownAt is the confidence from which a cause is told.
const shownAt = 0.015

// elsewhere is the weight that stays for causes that nobody thought of, where
// a rule brought the known ones above it.
const elsewhere = 0.05

// analyse reads an incident of which the text, and for an event what the event
// told, is there. False when no form fits.
func analyse(in *Incident) (Incident, bool) {
	lower := lowerASCII(in.Text)
	if !mayFail(lower) {
		return *in, false
	}
	in.extract(lower)
	f, words := in.form(lower)
	if f == nil {
		return *in, false
	}
	in.Form, in.words = f.name, words
	if _, ok := awsfacts.KMSAction("kms:" + in.Operation); ok && in.Action == "" && f.action != "" && in.Service == "kms" {
		in.Action = "kms:" + in.Operation
	}
	if k := in.impliedKind(); k != Unknown {
		in.implied = k
	}
	in.Causes = weigh(in, f, words, lower)
	return *in, len(in.Causes) > 0
}

// mayFail is a quick look that lets most lines of a log go.
func mayFail(lower string) bool {
	for _, w := range [...]string{"kms", "exception", "error", "denied", "fail", "key", "not ", "invalid", "encrypt", "cipher", "alias", "policy", "credential", "token", "no ", "cannot", "unable", "snapshots_failure"} {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return false
}

// form finds the first form that fits, and the words by which it does.
func (in *Incident) form(lower string) (*form, string) {
	for i := range allForms() {
		f := &allForms()[i]
		words := ""
		if f.words != nil {
			w, ok := anyOf(in.Text, lower, f.words)
			if !ok {
				continue
			}
			words = w
		}
		if f.when != nil && !f.when(in) {
			continue
		}
		if words == "" {
			words = in.layerQuote(lower)
		}
		return f, words
	}
	return nil, ""
}

// layerQuote gives the words by which a refusal names its reason.
func (in *Incident) layerQuote(lower string) string {
	for _, p := range []phrase{"explicit deny in a*policy", "explicit deny in a", "because no*policy", "because no*boundary", "because no", "not authorized to perform"} {
		if from, to, ok := p.find(lower); ok {
			return quote(in.Text, from, to)
		}
	}
	return ""
}

// weigh gives the causes of a form with what the rest of the text says to
// them, the likeliest first.
func weigh(in *Incident, f *form, words, lower string) []Cause {
	type weight struct {
		of       float64
		evidence []string
	}
	weights := map[string]*weight{}
	known := 0.0
	for _, p := range f.causes {
		weights[p.code] = &weight{of: p.weight, evidence: []string{said(words, f.says)}}
		known += p.weight
	}
	rest := max(1-known, elsewhere)
	for i := range allRules() {
		r := &allRules()[i]
		why, ok := r.applies(in, lower)
		if !ok {
			continue
		}
		for _, s := range r.shift {
			w := weights[s.code]
			switch {
			case w == nil && s.add > 0:
				weights[s.code] = &weight{of: s.add, evidence: []string{why}}
			case w != nil:
				w.of *= s.by
				if s.by > 1 {
					w.evidence = append(w.evidence, why)
				}
			}
		}
	}
	codes := slices.Sorted(maps.Keys(weights)) // in one order, for sums that come out the same
	total := rest
	for _, code := range codes {
		total += weights[code].of
	}
	var causes []Cause
	for _, code := range codes {
		if c := weights[code].of / total; c >= shownAt {
			causes = append(causes, in.cause(f, code, c, weights[code].evidence))
		}
	}
	slices.SortFunc(causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(a.Code, b.Code))
	})
	return causes
}

// applies reports whether a rule has a say, and in what words.
func (r *rule) applies(in *Incident, lower string) (string, bool) {
	if r.forms != nil && !slices.Contains(r.forms, in.Form) {
		return "", false
	}
	if r.when != nil && !r.when(in) {
		return "", false
	}
	if r.words == nil {
		return said("", r.says), true
	}
	words, ok := anyOf(in.Text, lower, r.words)
	return said(words, r.says), ok
}

// said joins words of the text and what they mean.
func said(words, says string) string {
	if words == "" {
		return says
	}
	return `"` + strings.TrimSpace(words) + `": ` + says
}

// cause fills in what a cause means for this incident.
func (in *Incident) cause(f *form, code string, confidence float64, evidence []string) Cause {
	c := Cause{Code: code, Confidence: float64(int(confidence*1000+0.5)) / 1000, PrincipalKind: in.PrincipalKind, Evidence: evidence}
	if strings.HasPrefix(in.Action, "kms:") {
		c.MissingAction = in.Action
	} else if in.Action == "" && aboutRights(code) {
		c.MissingAction = cmp.Or(in.firstMentioned(), in.actionByCall(), f.action)
		if c.MissingAction == "" && code == keyService {
			c.MissingAction = "kms:GenerateDataKey" // services write for others
		}
	}
	switch {
	case code == slrMissing:
		c.PrincipalKind = ServiceRole
	case code == keyService, code == managedKey && in.delivered():
		c.PrincipalKind = Service
	case c.PrincipalKind == Unknown:
		c.PrincipalKind = cmp.Or(in.implied, f.kind, Unknown)
	}
	c.Fix = in.fix(&c)
	c.Settles = in.settles(&c)
	return c
}

// retell says anew what to do and to ask about each cause, when more is known of the
// incident than its text told.
func (in *Incident) retell() {
	for i := range in.Causes {
		c := &in.Causes[i]
		if c.MissingAction == "" && strings.HasPrefix(in.Action, "kms:") {
			c.MissingAction = in.Action
		}
		c.Fix, c.Settles = in.fix(c), in.settles(c)
	}
}

// actionByCall is the KMS action that an operation of S3 or a message service
// makes for its caller, as far as it makes one only.
func (in *Incident) actionByCall() string {
	switch in.Operation {
	case "GetObject", "HeadObject", "GetSecretValue", "GetParameter", "GetParameters", "GetParametersByPath", "ReceiveMessage", "UploadPart", "CompleteMultipartUpload", "CopyObject", "UploadPartCopy":
		return "kms:Decrypt"
	case "CreateVolume", "AttachVolume", "RunInstances", "StartInstances", "CreateDBInstance", "CreateDBCluster", "RestoreDBInstanceFromDBSnapshot", "RestoreDBClusterFromSnapshot", "CopyDBSnapshot", "CopyDBClusterSnapshot", "CreateEndpointConfig", "CreateReplicationGroup", "CreateRepository":
		return "kms:CreateGrant"
	case "CreateLogGroup", "AssociateKmsKey":
		return "kms:Encrypt"
	case "PutObject", "SendMessage", "Publish", "CreateMultipartUpload", "PutRecord", "PutRecords", "CreateSecret", "PutSecretValue":
		return "kms:GenerateDataKey"
	case "Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "CreateGrant":
		return "kms:" + in.Operation
	}
	return ""
}

// aboutRights reports whether a cause is that somebody may not do something.
func aboutRights(code string) bool {
	switch code {
	case iamMissing, keyPrincipal, keyAction, keyRoot, keyService, slrMissing, crossAccount, managedKey, staleGrant, lockout, condition,
		wrongIdentity, scpDeny, rcpDeny, endpointDeny, boundaryDeny, sessionDeny, explicitDeny, wrongKey, wrongRegion, notYet:
		return true
	}
	return false
}

// BaseRates are the causes of a failure about a key of which nothing is known:
// how often each is behind what people report.
func BaseRates() []Cause {
	in := &Incident{PrincipalKind: Unknown}
	f := &form{says: "nothing in the text is known; so often is this behind failures about keys", causes: []prior{
		{iamMissing, 0.25}, {keyPrincipal, 0.14}, {crossAccount, 0.07}, {keyService, 0.06}, {badParameter, 0.05}, {managedKey, 0.04}, {condition, 0.04},
	}}
	return weigh(in, f, "", "")
}
