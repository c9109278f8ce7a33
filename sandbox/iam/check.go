package iam

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// The sizes that policies may have, in characters without white space. Inline
// policies of one entity count together.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxManaged = 6144
	maxTrust   = 2048
	maxUser    = 2048
	maxGroup   = 5120
	maxRole    = 10240
)

var maxInline = map[string]int{"user": maxUser, "group": maxGroup, "role": maxRole}

// sizeOf is the size of a policy as IAM counts it.
func sizeOf(document string) int {
	n := 0
	for _, c := range document {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

// tooLarge refuses the inline policies of an entity when they are too large
// together. Reported for roles (https://github.com/aws-amplify/amplify-cli/issues/2084),
// users (https://github.com/danvk/mapsnap/pull/483) and groups
// (https://github.com/HumanCellAtlas/data-store/issues/1963).
func (h holder) tooLarge() error {
	n := 0
	for i := range h.Inline {
		n += sizeOf(h.Inline[i].Document)
	}
	if most := maxInline[h.kind]; n > most {
		return refuse("LimitExceeded", "Maximum policy size of "+strconv.Itoa(most)+" bytes exceeded for "+h.kind+" "+h.Name)
	}
	return nil
}

// checkManaged refuses a version of a managed policy.
func checkManaged(document string) error {
	if err := checkPolicy(document); err != nil {
		return err
	}
	if sizeOf(document) > maxManaged { // reported: https://github.com/docker/docs/issues/4685
		return refuse("LimitExceeded", "Cannot exceed quota for PolicySize: "+strconv.Itoa(maxManaged))
	}
	return nil
}

// syntax is the refusal of a policy that cannot be read: reported
// (https://github.com/boto/boto3/issues/180).
func syntax() error { return malformed("Syntax errors in policy.") }

// checkPolicy refuses an identity policy that IAM does not take.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
func checkPolicy(document string) error {
	d, err := gate.ReadBut("policy", document, policy.RuleIncomplete, policy.RuleEmpty)
	if err != nil {
		return syntax()
	}
	sids := map[string]bool{}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Principal != nil || s.NotPrincipal != nil {
			return malformed("Policy document should not specify a principal.")
		}
		if err := checkSid(s, sids); err != nil {
			return err
		}
		if err := checkActions(s); err != nil {
			return err
		}
		if err := checkResources(s); err != nil {
			return err
		}
	}
	return nil
}

// checkSid refuses a Sid that IAM does not take, or that stands twice.
func checkSid(s *policy.Statement, seen map[string]bool) error {
	if s.Sid == nil || s.Sid.Text == "" {
		return nil
	}
	if strings.ContainsFunc(s.Sid.Text, func(c rune) bool { return !isAlphanumeric(c) }) {
		// Reported: https://github.com/aws-cloudformation/cfn-lint/issues/1376.
		return malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	}
	if seen[s.Sid.Text] {
		return malformed("Statement IDs (SID) in a single policy must be unique.") // assumed text
	}
	seen[s.Sid.Text] = true
	return nil
}

func isAlphanumeric(c rune) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// either is the one of an element and its negation that stands.
func either(list, not *policy.List) *policy.List {
	if list != nil {
		return list
	}
	return not
}

func checkActions(s *policy.Statement) error {
	list := either(s.Action, s.NotAction)
	if list == nil || len(list.Values) == 0 {
		// Reported: https://github.com/aws/aws-cdk/issues/7615.
		return malformed("Policy statement must contain actions.")
	}
	for i := range list.Values {
		switch action := list.Values[i].Text; {
		case action == "*":
		case !strings.Contains(action, ":"):
			return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.") // assumed text
		case strings.Count(action, ":") > 1:
			// Reported: https://github.com/garnaat/kappa/issues/111.
			return malformed("Actions/Condition can contain only one colon.")
		}
	}
	return nil
}

func checkResources(s *policy.Statement) error {
	list := either(s.Resource, s.NotResource)
	if list == nil || len(list.Values) == 0 {
		// Reported: https://github.com/trussworks/terraform-aws-s3-anti-virus/issues/28.
		return malformed("Policy statement must contain resources.")
	}
	for i := range list.Values {
		if err := checkResource(list.Values[i].Text); err != nil {
			return err
		}
	}
	return nil
}

// checkResource refuses what is no ARN. One with a wildcard may stand for parts
// that it does not spell out.
func checkResource(name string) error {
	if name == "*" {
		return nil
	}
	rest, ok := strings.CutPrefix(name, "arn:")
	if !ok {
		// Reported: https://github.com/trussworks/terraform-aws-s3-anti-virus/issues/21,
		// for the empty text https://github.com/cattle-ops/terraform-aws-gitlab-runner/issues/1257.
		return malformed("Resource " + name + ` must be in ARN format or "*".`)
	}
	if strings.Count(rest, ":") < 4 && !strings.ContainsAny(rest, "*?$") {
		// Reported: https://github.com/Graylog2/graylog-plugin-aws/issues/172.
		return malformed("The policy failed legacy parsing")
	}
	if partition, _, _ := strings.Cut(rest, ":"); partition != "aws" && !strings.ContainsAny(partition, "*?") {
		// Reported: https://github.com/hashicorp/terraform-provider-aws/issues/3045, and
		// https://github.com/terraform-aws-modules/terraform-aws-iam/issues/39 for the
		// name of another partition.
		return malformed("Partition " + strconv.Quote(partition) + " is not valid for resource " + strconv.Quote(name) + ".")
	}
	return nil
}

// checkTrust refuses a trust policy that IAM does not take: one without a
// principal, or with one that does not exist.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
func (s *Service) checkTrust(document string) error {
	d, err := gate.ReadPolicy("trust policy", document, true)
	if err != nil {
		return malformed("This policy contains invalid Json")
	}
	for i := range d.Statements {
		st := &d.Statements[i]
		switch {
		case st.Resource != nil || st.NotResource != nil:
			return malformed("Has prohibited field Resource")
		case st.Principal == nil && st.NotPrincipal == nil:
			return malformed("Missing required field Principal")
		case !assumes(st):
			return malformed("AssumeRole policy may only specify STS AssumeRole actions.") // assumed text
		}
		for _, p := range []*policy.PrincipalElement{st.Principal, st.NotPrincipal} {
			if err := s.checkPrincipals(p); err != nil {
				return err
			}
		}
	}
	if sizeOf(document) > maxTrust {
		return refuse("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: "+strconv.Itoa(maxTrust)) // assumed text
	}
	return nil
}

// assumes reports whether a statement is about STS alone.
func assumes(s *policy.Statement) bool {
	list := either(s.Action, s.NotAction)
	if list == nil {
		return true
	}
	for i := range list.Values {
		if service, _, _ := strings.Cut(list.Values[i].Text, ":"); !strings.EqualFold(service, "sts") {
			return false
		}
	}
	return true
}

// checkPrincipals refuses who is not there. Identity providers are not looked for:
// the sandbox has none.
func (s *Service) checkPrincipals(p *policy.PrincipalElement) error {
	if p == nil {
		return nil
	}
	for g := range p.Groups {
		for _, v := range p.Groups[g].Names.Values {
			switch kind := p.Groups[g].Type; {
			case kind == "AWS" && !s.isPrincipal(v.Text):
				return malformed(`Invalid principal in policy: "AWS":"` + v.Text + `"`)
			case kind == "Service" && !isService(v.Text):
				// Reported: https://github.com/hashicorp/terraform/issues/35086.
				return malformed(`Invalid principal in policy: "SERVICE":"` + v.Text + `"`)
			}
		}
	}
	return nil
}

func (s *Service) isPrincipal(name string) bool {
	p, err := arn.ParsePrincipal(name)
	if err != nil {
		return false
	}
	ok := p.Kind == arn.Everyone || p.Kind == arn.AccountRoot
	switch p.Kind {
	case arn.User, arn.Role, arn.AssumedRole, arn.FederatedUser:
		_, ok = s.UniqueID(p)
	case arn.UniqueID:
		_, ok = s.ARN(p.Text)
	}
	return ok
}

// isService reports whether a name has the form of a service's: which services
// there are, nobody lists.
func isService(name string) bool {
	_, suffix, ok := strings.Cut(name, ".")
	return ok && (strings.Contains("."+suffix, ".amazon") || strings.Contains("."+suffix, ".aws")) || name == "*"
}
