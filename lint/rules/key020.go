package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
)

func key020() Rule {
	return Rule{
		ID: "KEY020", Severity: finding.Error,
		Title: "A principal that is not there",
		Text: "AWS stores the unique id behind each name in a policy. When the user or role is deleted the id shows in its place (AIDA…, AROA…): it lets nobody in, and " +
			"writing the policy back is refused with \"one or more invalid principals\". So is a policy that names a role before it exists, as a service-linked role that no service has made yet.",
		Fix:   "Remove the id, or name the user or role that has taken its place; make a role before a policy names it, and try again while it spreads.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
		Check: absentPrincipals,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": ["AROAJQABLZS4A3QDU576Q", "arn:aws:iam::111122223333:role/app"]},
  "Action": "kms:Decrypt", "Resource": "*"
}]}`}},
		Silent: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:role/AROA"]},
  "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringLike": {"aws:userid": "AROAJQABLZS4A3QDU576Q:*"}}
}]}`}},
	}
}

// absentPrincipals reports principals that are gone, that the estate does not
// have, or that the text does not make.
func absentPrincipals(m *Material, r *Report) {
	for _, p := range m.Policies {
		if p.NotInForce != "" && !serviceLinkedName(p.Role) {
			r.Add(p.Doc.Position(p.Doc.Pos), p.Owner, "the policy "+p.Name+" is not in force: "+p.NotInForce, "mend what AWS refuses, and attach it")
		}
	}
	users, owners, people := m.madeUsers(), m.keyOwners(), m.people()
	for _, p := range m.statements(KeyPolicy, ResourcePolicy, BucketPolicy, TrustPolicy) {
		owner := owners[p.policy]
		for _, n := range p.principals() {
			q, err := arn.ParsePrincipal(n.value.Text)
			if n.group != "AWS" || err != nil {
				continue
			}
			switch {
			case q.Kind == arn.UniqueID:
				if id, _, _ := strings.Cut(q.Text, ":"); !people.ids[id] {
					r.add(&p, n.value.Pos, n.value.Text+" is what AWS shows in the place of a user or role that was deleted: it names nobody", "remove it, or name the one that has taken its place")
				}
			case p.policy.Kind != KeyPolicy:
			case people.lack(&q):
				r.addAs(finding.Warning, &p, n.value.Pos, n.value.Text+" is not in the estate: AWS refuses a policy that names a principal before it exists", "make it first, or correct its name")
			case q.Kind == arn.User && len(users) > 0 && !slices.Contains(users, q.Name):
				r.addAs(finding.Warning, &p, n.value.Pos, "nothing here makes the user "+q.Name+", only "+list(users)+": AWS refuses a policy that names a principal before it exists", "name the user that is made")
			case m.Estate == nil && q.IsServiceLinked() && owner != "" && q.Account != owner && foreignUnsure(q.Text):
				r.addAs(finding.Warning, &p, n.value.Pos, q.Name+" has to exist in account "+q.Account+" already, or AWS refuses the whole policy", "make it there first, or leave it out")
			}
		}
	}
}

// foreignUnsure reports whether a service-linked role is one that a service makes
// only when it is first used.
func foreignUnsure(text string) bool {
	role, ok := awsfacts.ServiceLinkedRoleFor(text)
	return ok && !role.KMSUse
}

// people is who lives in the accounts of an estate.
type people struct {
	ids, arns map[string]bool
	accounts  map[string]bool // of those in arns
}

func (m *Material) people() people {
	all := people{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	if m.Estate == nil {
		return all
	}
	for i := range m.Estate.Principals {
		p := &m.Estate.Principals[i]
		all.ids[p.ID] = true
		if q, err := arn.ParsePrincipal(p.ARN); err == nil {
			all.arns[q.Text] = true
			all.accounts[q.Account] = true
		}
	}
	return all
}

// lack reports whether others of the principal's account are known, and not this
// one.
func (all people) lack(q *arn.Principal) bool {
	return (q.Kind == arn.Role || q.Kind == arn.User) && !all.arns[q.Text] && all.accounts[q.Account]
}

// madeUsers returns the users that the commands of the text make.
func (m *Material) madeUsers() []string {
	var users []string
	for _, c := range m.Commands {
		if w, ok := c.Value("--user-name"); ok && c.Is("iam", "create-user") && !w.Unknown {
			users = append(users, w.Text)
		}
	}
	return users
}
