package input

import (
	"path"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// hint is what the name of a file says about it.
type hint struct {
	ext  string
	kind rules.Kind // OtherPolicy when the name says nothing
}

// sessionPolicy is how a policy of a session is called; sessions of other things
// have policies too.
var sessionPolicy = lazy.Regexp(`(?:^|[^a-z])session[-_ ]?polic`)

// hintOf reads a file's name.
func hintOf(name string) hint {
	slashed := strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	h := hint{ext: path.Ext(slashed)}
	words := strings.FieldsFunc(slashed, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	for _, w := range words {
		switch strings.TrimSuffix(w, "s") {
		case "scp", "servicecontrolpolicie", "servicecontrolpolicy":
			h.kind = rules.ControlPolicy
		case "rcp", "resourcecontrolpolicie", "resourcecontrolpolicy":
			h.kind = rules.ResourceControlPolicy
		case "boundary", "boundarie":
			h.kind = rules.BoundaryPolicy
		case "endpoint", "vpce":
			h.kind = rules.EndpointPolicy
		}
	}
	if sessionPolicy.MatchString(slashed) {
		h.kind = rules.SessionPolicy
	}
	return h
}

// formatOf returns the word for policies of a kind.
func formatOf(k rules.Kind) Format {
	switch k {
	case rules.KeyPolicy:
		return KeyPolicy
	case rules.TrustPolicy:
		return TrustPolicy
	case rules.ControlPolicy:
		return ControlPolicy
	case rules.ResourceControlPolicy:
		return ResourceControl
	case rules.EndpointPolicy:
		return EndpointPolicy
	case rules.BucketPolicy, rules.ResourcePolicy:
		return ResourcePolicy
	}
	return IAMPolicy
}

// kindOf works out what a document is attached to from what it says, and from
// what the name of its file says.
func kindOf(d *policy.Document, h hint, fragment bool) rules.Kind {
	s := surveyOf(d)
	switch {
	case !s.principals && slices.Contains([]rules.Kind{rules.ControlPolicy, rules.BoundaryPolicy, rules.SessionPolicy}, h.kind):
		return h.kind
	case !s.principals:
		if s.statements > 0 && s.denies == s.statements && !fragment || s.fullAccess && s.denies > 0 {
			return rules.ControlPolicy
		}
		return rules.IdentityPolicy
	case s.actions > 0 && s.roles == s.actions:
		return rules.TrustPolicy
	case h.kind == rules.EndpointPolicy && s.everyone == s.statements:
		return rules.EndpointPolicy
	case s.denies == s.statements && s.star == s.statements && (!fragment || h.kind == rules.ResourceControlPolicy):
		// A policy of a resource that only denies opens it to nobody, and "*" is
		// the one principal that a resource control policy may name.
		return rules.ResourceControlPolicy
	case h.kind == rules.ResourceControlPolicy && s.everyone == s.statements:
		return rules.ResourceControlPolicy
	}
	return s.resource()
}

// survey counts what a document says.
type survey struct {
	statements, denies       int
	principals               bool
	everyone                 int  // statements whose principal is everyone, in either form
	star                     int  // those in which it is the text "*"
	fullAccess               bool // one allows everything
	actions, roles, kms, s3s int
}

func surveyOf(d *policy.Document) *survey {
	s := new(survey)
	for i := range d.Statements {
		st := &d.Statements[i]
		if st.Opaque {
			continue
		}
		s.statements++
		if st.Effect != nil && st.Effect.Text == "Deny" {
			s.denies++
		}
		if st.Principal != nil || st.NotPrincipal != nil {
			s.principals = true
		}
		if isEveryone(st.Principal) {
			s.everyone++
			if st.Principal.Text != nil {
				s.star++
			}
		}
		s.fullAccess = s.fullAccess || allowsAll(st)
		for _, l := range []*policy.List{st.Action, st.NotAction} {
			if l != nil {
				s.count(l)
			}
		}
	}
	return s
}

func (s *survey) count(l *policy.List) {
	for i := range l.Values {
		service, name, _ := strings.Cut(strings.ToLower(l.Values[i].Text), ":")
		s.actions++
		switch {
		case service == "kms":
			s.kms++
		case service == "s3":
			s.s3s++
		case service == "sts" && (strings.HasPrefix(name, "assumerole") || name == "tagsession" || name == "setsourceidentity" || name == "setcontext"):
			s.roles++
		}
	}
}

// resource tells the policies of resources apart by their actions.
func (s *survey) resource() rules.Kind {
	switch {
	case s.kms > 0 && 2*s.kms >= s.actions:
		return rules.KeyPolicy
	case s.s3s > 0 && 2*s.s3s >= s.actions:
		return rules.BucketPolicy
	case s.actions == 0:
		return rules.OtherPolicy
	}
	return rules.ResourcePolicy
}

// isEveryone reports whether a principal is "*" or {"AWS": "*"}.
func isEveryone(p *policy.PrincipalElement) bool {
	switch {
	case p == nil:
		return false
	case p.Text != nil:
		return p.Text.Text == "*"
	}
	for i := range p.Groups {
		for j := range p.Groups[i].Names.Values {
			if p.Groups[i].Names.Values[j].Text == "*" {
				return true
			}
		}
	}
	return false
}

// allowsAll reports whether a statement is the one of FullAWSAccess.
func allowsAll(s *policy.Statement) bool {
	one := func(l *policy.List) bool { return l != nil && len(l.Values) == 1 && l.Values[0].Text == "*" }
	return s.Effect != nil && s.Effect.Text == "Allow" && one(s.Action) && one(s.Resource) && !s.HasCondition && s.Principal == nil
}
