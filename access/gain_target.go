package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
)

// target is one resource with the actions that are tried on it.
type target struct {
	arn     string
	account string // that owns it, where the ARN does not say
	actions []string
	// own is set for resources whose policies the estates keep as attributes;
	// policies are the earlier and the later one.
	own      bool
	policies [2]*estate.Named
	// born is set when only the later estate holds the resource; changed when what
	// is known of it differs.
	born, changed bool
}

func (t *target) service() string {
	a, err := arn.Parse(t.arn)
	if err != nil {
		return ""
	}
	return a.Service
}

// Actions that are tried beside those that policies name.
var (
	roleActions = [...]string{
		"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:SetSourceIdentity", "sts:TagSession",
	}
	bucketActions = [...]string{
		"s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketPolicy", "s3:GetEncryptionConfiguration",
		"s3:ListBucket", "s3:ListBucketVersions", "s3:PutBucketAcl", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock",
		"s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
	}
	objectActions = [...]string{
		"s3:AbortMultipartUpload", "s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject",
		"s3:GetObjectAcl", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectLegalHold",
		"s3:PutObjectRetention", "s3:PutObjectTagging", "s3:ReplicateDelete", "s3:ReplicateObject", "s3:RestoreObject",
	}
	iamActions = [...]string{
		"iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:CreateAccessKey", "iam:CreatePolicyVersion", "iam:CreateRole",
		"iam:CreateUser", "iam:DeleteRolePermissionsBoundary", "iam:PassRole", "iam:PutRolePolicy", "iam:PutUserPolicy",
		"iam:SetDefaultPolicyVersion", "iam:UpdateAssumeRolePolicy",
	}
)

// targetsOf builds the targets: every key, role and resource with a policy of
// the later estate, and what changed policies of callers name.
func (s *survey) targetsOf(c *collection) ([]target, error) {
	var ts []target
	for i := range s.after.Keys {
		k := &s.after.Keys[i]
		was := s.before.Key(k.ARN)
		ts = append(ts, target{
			arn: k.ARN, actions: s.actionsOn(k.Policy, keyActions(true)), born: was == nil,
			changed: was == nil || s.keyText(was) != s.keyText(k),
		})
	}
	for i := range s.after.Principals {
		p := &s.after.Principals[i]
		was := s.before.Principal(p.ARN)
		if parsed, ok := principalOf(p.ARN); !ok || parsed.Kind != arn.Role {
			continue
		}
		ts = append(ts, target{
			arn: p.ARN, actions: s.actionsOn(p.Trust, roleActions[:]), born: was == nil,
			changed: was == nil || s.text(was.Trust) != s.text(p.Trust),
		})
	}
	for i := range s.after.Resources {
		ts = append(ts, s.resourceTargets(&s.after.Resources[i])...)
	}
	return s.callerTargets(c, ts)
}

// keyActions returns the actions of KMS that are about a key, or those that are
// not.
func keyActions(about bool) []string {
	var names []string
	for _, a := range awsfacts.KMSActions() {
		if slices.Contains(a.ResourceTypes, "key") == about {
			names = append(names, a.Name)
		}
	}
	return names
}

// actionsOn adds to the actions those that a policy names, an invented one for
// a wildcard.
func (s *survey) actionsOn(d *estate.Document, known []string) []string {
	out := slices.Clone(known)
	if d == nil || d.Source == nil {
		return out
	}
	have := map[string]bool{}
	for _, a := range out {
		have[strings.ToLower(a)] = true
	}
	for i := range d.Source.Statements {
		st := &d.Source.Statements[i]
		for _, text := range append(textsOf(st.Action), textsOf(st.NotAction)...) {
			service, name, ok := strings.Cut(text, ":")
			if !ok || strings.ContainsAny(text, "*?") || name == "" || have[strings.ToLower(text)] ||
				!strings.HasPrefix(strings.ToLower(known[0]), strings.ToLower(service)+":") {
				continue
			}
			have[strings.ToLower(text)] = true
			out = append(out, text)
		}
	}
	return out
}

// policyOf returns the policy that a resource keeps as an attribute: that of a
// bucket or of a backup vault. Nil when it keeps none.
func policyOf(r *estate.Resource) *estate.Document {
	text := ""
	switch r.Type {
	case "s3:Bucket":
		text = r.Attributes["policy"]
	case "backup:BackupVault":
		text = r.Attributes["accessPolicy"]
	}
	if text == "" {
		return nil
	}
	d, err := document("policy of "+r.ARN, text)
	if err != nil {
		return &estate.Document{Unreadable: err.Error()}
	}
	return d
}

// resourceTargets returns the targets of a bucket or vault: the thing itself,
// and for a bucket its objects.
func (s *survey) resourceTargets(r *estate.Resource) []target {
	if r.Type != "s3:Bucket" && r.Type != "backup:BackupVault" || r.ARN == "" {
		return nil
	}
	is := func(o estate.Resource) bool { return o.Type == r.Type && o.ARN == r.ARN }
	t := target{arn: r.ARN, account: r.Account, own: true, born: true}
	d := policyOf(r)
	if d != nil {
		t.policies[1] = &estate.Named{Name: "policy of " + r.ARN, Document: d}
	}
	var was *estate.Document
	if i := slices.IndexFunc(s.before.Resources, is); i >= 0 {
		t.born = false
		if was = policyOf(&s.before.Resources[i]); was != nil {
			t.policies[0] = &estate.Named{Name: "policy of " + r.ARN, Document: was}
		}
	}
	t.changed = t.born || s.text(was) != s.text(d)
	if r.Type == "backup:BackupVault" {
		t.actions = s.actionsOn(was, s.actionsOn(d, backupActions()))
		return []target{t}
	}
	ts := []target{}
	for _, name := range s.objects(r.ARN, was, d) {
		o := t
		o.arn, o.actions = name, s.actionsOn(was, s.actionsOn(d, objectActions[:]))
		ts = append(ts, o)
	}
	t.actions = s.actionsOn(was, s.actionsOn(d, bucketActions[:]))
	return append(ts, t)
}

// objects returns objects of a bucket: one for each pattern that its policies
// name, and one that none does.
func (s *survey) objects(bucket string, ds ...*estate.Document) []string {
	patterns := []string{bucket + "/" + unnamed}
	for _, d := range ds {
		if d == nil || d.Source == nil {
			continue
		}
		for i := range d.Source.Statements {
			st := &d.Source.Statements[i]
			for _, text := range append(textsOf(st.Resource), textsOf(st.NotResource)...) {
				if strings.HasPrefix(text, bucket+"/") && !strings.Contains(text, "${") {
					patterns = append(patterns, text)
				}
			}
		}
	}
	names := instances(patterns)
	slices.Sort(names)
	return slices.Compact(slices.DeleteFunc(names, func(n string) bool { return n == bucket+"/" }))
}

// backupActions are all operations of AWS Backup.
func backupActions() []string {
	api, ok := awsfacts.LookupAPI("backup")
	if !ok {
		return []string{"backup:StartRestoreJob"}
	}
	names := []string{"backup:CopyIntoBackupVault", "backup:CopyFromBackupVault"}
	for _, name := range sortedKeys(api.Operations) {
		names = append(names, "backup:"+name)
	}
	return names
}

// maxResources bounds the resources that are invented because a policy of a
// caller names them.
const maxResources = 400

// callerTargets adds the resources that changed policies of callers name, with
// the actions that they name. Where they name everything, a key and a role that
// nobody made yet stand for all that the estates do not hold: each leaves it to
// its account, as AWS makes them.
func (s *survey) callerTargets(c *collection, ts []target) ([]target, error) {
	if len(c.owners) == 0 {
		return ts, nil
	}
	have := map[string]bool{}
	for i := range ts {
		have[ts[i].arn] = true
	}
	patterns := []string{}
	for _, text := range sortedKeys(c.resources) {
		if text == "*" {
			for _, id := range sortedKeys(c.owners) {
				patterns = append(patterns, "arn:"+c.partition+":kms:us-east-1:"+id+":key/"+unnamed, "arn:"+c.partition+":iam::"+id+":role/"+unnamed)
			}
			patterns = append(patterns, "arn:"+c.partition+":s3:::"+unnamed, "arn:"+c.partition+":s3:::"+unnamed+"/"+unnamed)
			continue
		}
		patterns = append(patterns, text)
	}
	if len(patterns) > maxResources {
		return nil, fmt.Errorf("comparing estates: changed policies name %d resources, more than the %d that are tried", len(patterns), maxResources)
	}
	for _, name := range append(instances(patterns), "*") {
		for _, name := range s.placed(c, name) {
			if !have[name] {
				have[name] = true
				t, err := inventedTarget(name)
				if err != nil {
					return nil, err
				}
				ts = append(ts, t)
			}
		}
	}
	for i := range ts {
		ts[i].actions = append(ts[i].actions, missing(ts[i].actions, c.actionsFor(&ts[i]))...)
	}
	return apart(ts), nil
}

// inventedTarget returns a resource that the estates do not hold. Of one that a
// policy names nothing is known; one of an invented name leaves it to its
// account.
func inventedTarget(name string) (target, error) {
	t := target{arn: name}
	a, err := arn.Parse(name)
	if err != nil || !strings.HasSuffix(a.Resource, "/"+unnamed) || a.Service != "kms" && a.Service != "iam" {
		return t, nil
	}
	action, resource := "kms:*", `,"Resource":"*"`
	if a.Service == "iam" {
		action, resource = "sts:*", ""
	}
	d, err := document("policy of "+name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:`+
		a.Partition+`:iam::`+a.Account+`:root"},"Action":"`+action+`"`+resource+`}]}`)
	n := &estate.Named{Name: "policy as AWS makes it", Document: d}
	t.own, t.policies = true, [2]*estate.Named{n, n}
	return t, err
}

// apart gives the actions of IAM on a role a target of their own: a trust policy
// has no say in them.
func apart(ts []target) []target {
	var out []target
	for _, t := range ts {
		if t.service() == "iam" {
			isSTS := func(a string) bool { return strings.HasPrefix(strings.ToLower(a), "sts:") }
			plain := t
			plain.own, plain.policies = true, [2]*estate.Named{}
			plain.actions = slices.DeleteFunc(slices.Clone(t.actions), isSTS)
			t.actions = slices.DeleteFunc(slices.Clone(t.actions), func(a string) bool { return !isSTS(a) })
			if len(plain.actions) > 0 {
				out = append(out, plain)
			}
		}
		if len(t.actions) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// placed puts the accounts of the callers in the place of one that a wildcard
// left open.
func (s *survey) placed(c *collection, name string) []string {
	a, err := arn.Parse(name)
	if err != nil {
		return []string{"*"}
	}
	if a.Region == unnamed {
		a.Region = "us-east-1"
	}
	if !strings.Contains(a.Account, unnamed) {
		return []string{a.String()}
	}
	var out []string
	for _, id := range sortedKeys(c.owners) {
		a.Account = id
		out = append(out, a.String())
	}
	return out
}

func missing(have, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(a string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, a) })
	})
}

// actionsFor returns the actions for a resource that a caller's policy names:
// those of the resource's service.
func (c *collection) actionsFor(t *target) []string {
	service := t.service()
	a, _ := arn.Parse(t.arn)
	var out []string
	switch {
	case service == "kms" && a.IsKMSKey():
		out = keyActions(true)
	case service == "":
		out = append(keyActions(false), iamActions[:]...)
	case service == "s3" && strings.Contains(a.Resource, "/"):
		out = slices.Clone(objectActions[:])
	case service == "s3":
		out = slices.Clone(bucketActions[:])
	case service == "iam" && a.Type() == "role":
		out = append(slices.Clone(roleActions[:]), iamActions[:]...)
	case service == "iam":
		out = slices.Clone(iamActions[:])
	case service == "backup":
		out = backupActions()
	}
	for _, name := range sortedKeys(c.actions) {
		prefix, _, _ := strings.Cut(name, ":")
		about, isKMS := awsfacts.KMSAction(name)
		fits := strings.EqualFold(prefix, service) || service == "" && !(isKMS && slices.Contains(about.ResourceTypes, "key")) ||
			service == "iam" && strings.EqualFold(prefix, "sts")
		if fits && strings.Contains(name, ":") && !strings.HasSuffix(name, ":") {
			out = append(out, missing(out, []string{name})...)
		}
	}
	return out
}

// Texts by which parts of two estates are compared.

func (s *survey) text(d *estate.Document) string {
	switch {
	case d == nil:
		return "none"
	case d.Source == nil:
		return "unreadable: " + d.Unreadable
	}
	return string(d.Source.Canonical())
}

func (s *survey) principalText(p *estate.Principal) string {
	texts := []string{}
	for i := range p.Policies {
		texts = append(texts, s.text(p.Policies[i].Document))
	}
	slices.Sort(texts)
	return fmt.Sprintf("%q %q %q %q %q", p.ID, fmt.Sprint(p.Tags), p.Unreadable, s.text(p.Boundary), texts)
}

func (s *survey) keyText(k *estate.Key) string {
	plain := *k
	plain.Policy, plain.Grants, plain.DeletionDate, plain.ValidTo = nil, nil, nil, nil
	grants := []string{}
	for i := range k.Grants {
		g := k.Grants[i]
		g.GrantID, g.Name, g.Token, g.CreatedAt = "", "", "", nil
		constraints := g.Constraints
		g.Constraints = nil
		if constraints != nil {
			grants = append(grants, fmt.Sprintf("%v %v", g, *constraints))
		} else {
			grants = append(grants, fmt.Sprintf("%v", g))
		}
	}
	slices.Sort(grants)
	return fmt.Sprintf("%v %q %s", plain, grants, s.text(k.Policy))
}

func (s *survey) organizationText(e *estate.Estate) string {
	o := e.Organization
	if o == nil {
		return ""
	}
	text := o.ID + " " + o.ManagementAccount + " " + o.Unreadable
	for _, name := range sortedKeys(o.Policies) {
		text += "\n" + name + " " + s.text(o.Policies[name])
	}
	return text + fmt.Sprintf("\n%v", o.Root)
}

func accountsText(e *estate.Estate) string {
	texts := []string{}
	for i := range e.Accounts {
		texts = append(texts, e.Accounts[i].ID+fmt.Sprint(e.Accounts[i].Regions))
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

// changedEndpoints returns the endpoints of both estates whose policy differs. A
// new endpoint opens nothing: without it a call is not limited by one.
func (s *survey) changedEndpoints(before, after *estate.Estate) []string {
	ids := []string{}
	for i := range after.Endpoints {
		a := &after.Endpoints[i]
		for j := range before.Endpoints {
			if b := &before.Endpoints[j]; b.ID == a.ID && s.text(b.Policy) != s.text(a.Policy) {
				ids = append(ids, a.ID)
			}
		}
	}
	return ids
}
