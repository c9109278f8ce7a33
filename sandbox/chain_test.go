package sandbox_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// chain is a route kind done for real: the steps of the route, as the actors of the
// route perform them with the SDK. From the route alone follow the permissions that the
// steps require, so that each can be taken away.
type chain struct {
	name string
	// file declares the one route; OWNER_KEY, CONSUMER_KEY and AWAY_KEY, the owner's in
	// another Region, stand for keys.
	file string
	// prepare makes what there is before the route begins, as the accounts' roots.
	prepare func(*journey)
	// linked are the services whose service-linked roles exist before, by account.
	linked map[string][]string
	// steps perform the steps of the route, by name. A step that the route names several
	// times is performed once for each.
	steps map[string]func(*journey, *route.StepProof) error
}

// away is the other Region of the owner.
const away = "eu-west-1"

// journey is one performance of a chain.
type journey struct {
	*world
	chain *chain
	route route.Route
	keys  [3]string
	made  map[string]string // names of what the steps made
}

// at is the identity that a permission belongs to.
type permission struct {
	half   string // identity, key-policy or grant
	caller string // ARN of the principal
	action string
	key    string
	use    usage.Use
}

func (p permission) String() string {
	return p.half + " of " + shortName(p.caller) + ": " + p.action + " on the " + p.use.Key + " key"
}

func shortName(principal string) string { return principal[strings.LastIndexByte(principal, '/')+1:] }

// failure is the error of a step that failed later, on a resource.
type failure struct{ code, text string }

func (f *failure) Error() string { return strings.TrimPrefix(f.code+": "+f.text, ": ") }

// begin makes the accounts, keys and actors of a chain, with the permissions that the
// route requires but one.
func (c *chain) begin(t *testing.T, without *permission) *journey {
	t.Helper()
	j := &journey{world: newWorld(t), chain: c, made: map[string]string{}}
	j.keys[0], j.keys[1] = j.key(owner, ""), j.key(consumer, "")
	j.keys[2] = *need(j.kmsOf(in(j.root(owner), away)).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.Arn
	text := strings.NewReplacer("OWNER_KEY", j.keys[0], "CONSUMER_KEY", j.keys[1], "AWAY_KEY", j.keys[2]).Replace(c.file)
	f, err := route.Load("keyreach.yaml", []byte(text))
	if err != nil {
		t.Fatalf("the route of %s: %v", c.name, err)
	}
	j.route = f.Routes[0]
	for account, services := range c.linked {
		for _, service := range services {
			need(iam.NewFromConfig(j.root(account)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service}))(t)
		}
	}
	for _, parties := range j.route.Parties {
		for _, p := range parties {
			j.actor(p.Actor.Principal)
		}
	}
	if c.prepare != nil {
		c.prepare(j)
	}
	j.permit(without)
	return j
}

// actor makes the principal of a route that is not there: it may do everything but use
// keys.
func (j *journey) actor(principal string) {
	j.Helper()
	p, err := arn.ParsePrincipal(principal)
	if err != nil || p.Kind != arn.Role || p.IsServiceLinked() || j.made["actor "+principal] != "" {
		return
	}
	j.made["actor "+principal] = p.Name
	j.role(p.Account, p.Name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"}]}`, "")
}

// as is somebody who takes part: a session of a role, or a user.
func (j *journey) as(principal string) aws.Config {
	j.Helper()
	p, err := arn.ParsePrincipal(principal)
	if err != nil {
		j.Fatal(err)
	}
	if p.Kind == arn.User {
		k := need(iam.NewFromConfig(j.root(p.Account)).CreateAccessKey(j.Context(), &iam.CreateAccessKeyInput{UserName: &p.Name}))(j).AccessKey
		return j.As(home, *k.AccessKeyId, *k.SecretAccessKey, "")
	}
	return j.session(p.Account, principal, "day", "")
}

// in is a client's configuration in another Region.
func in(c aws.Config, region string) aws.Config {
	c.Region = region
	return c
}

// prove asks check's own question of the sandbox as it stands.
func (j *journey) prove() route.Proof {
	j.Helper()
	e := need(j.Estate())(j)
	p, err := route.Prove(&j.route, e, j.Now())
	if err != nil {
		j.Fatal(err)
	}
	return p
}

// required are the permissions that the route's required uses need, each half of them:
// what the key's policy says, and what the caller's own account says.
func (j *journey) required() []permission {
	var list []permission
	add := func(p permission) {
		same := func(o permission) bool {
			return o.half == p.half && o.caller == p.caller && o.action == p.action && o.key == p.key
		}
		if !slices.ContainsFunc(list, same) {
			list = append(list, p)
		}
	}
	for _, s := range j.prove().Steps {
		for _, r := range s.Requests {
			if r.Use.Need != usage.Required {
				continue
			}
			for _, half := range j.halves(r.Caller, r.Key) {
				add(permission{half, r.Caller, r.Use.Action, r.Key, r.Use})
			}
		}
	}
	return list
}

// halves says where the right of a caller on a key stands. A service-linked role has no
// identity policy that anybody could change: in its own account the key's policy names
// it, in another it has a grant of its own account, unless AWS's policy for it has the
// rights.
func (j *journey) halves(caller, key string) []string {
	p, err := arn.ParsePrincipal(caller)
	if err != nil {
		j.Fatal(err)
	}
	k, err := arn.Parse(key)
	if err != nil {
		j.Fatal(err)
	}
	foreign := k.Account != p.Account
	switch {
	case p.IsServiceLinked() && foreign && slices.Contains([]string{"AWSServiceRoleForAutoScaling", "AWSServiceRoleForEC2Fleet", "AWSServiceRoleForEC2Spot"}, p.Name):
		return []string{"grant"}
	case p.IsServiceLinked() && !foreign && p.Name == "AWSServiceRoleForBackup":
		return nil // AWS's policy for the role has them, and the key's lets the account decide
	case p.IsServiceLinked():
		return []string{"key-policy"}
	case foreign:
		return []string{"key-policy", "identity"}
	}
	return []string{"identity"}
}

// permit gives the actors what the route requires, but one permission.
func (j *journey) permit(without *permission) {
	j.Helper()
	byKey, byCaller := map[string][]map[string]any{}, map[string][]map[string]any{}
	grants := map[[2]string][]string{}
	for _, key := range j.keys {
		a, _ := arn.Parse(key)
		byKey[key] = []map[string]any{{"Effect": "Allow", "Principal": map[string]string{"AWS": "arn:aws:iam::" + a.Account + ":root"}, "Action": "kms:*", "Resource": "*"}}
	}
	for _, p := range j.required() {
		if without != nil && p.half == without.half && p.caller == without.caller && p.action == without.action && j.sameKey(p, *without) {
			continue
		}
		switch p.half {
		case "identity":
			byCaller[p.caller] = append(byCaller[p.caller], map[string]any{"Effect": "Allow", "Action": p.action, "Resource": p.key})
		case "key-policy":
			byKey[p.key] = append(byKey[p.key], map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": p.caller}, "Action": p.action, "Resource": "*"})
		case "grant":
			at := [2]string{p.caller, p.key}
			grants[at] = append(grants[at], strings.TrimPrefix(p.action, "kms:"))
		}
	}
	j.policies(byKey, byCaller)
	j.grants(grants)
}

// sameKey compares keys of different sandboxes by the part they play.
func (j *journey) sameKey(p, o permission) bool {
	a, _ := arn.Parse(p.key)
	b, _ := arn.Parse(o.key)
	return a.Account == b.Account && a.Region == b.Region
}

func (j *journey) policies(byKey, byCaller map[string][]map[string]any) {
	j.Helper()
	for key, statements := range byKey {
		a, _ := arn.Parse(key)
		// Accounts that make grants for a role of theirs need the right to.
		if a.Account == owner {
			statements = append(statements, map[string]any{
				"Effect": "Allow", "Principal": map[string]string{"AWS": "arn:aws:iam::" + consumer + ":root"}, "Action": "kms:CreateGrant", "Resource": "*",
				"Condition": map[string]any{"StringLike": map[string]string{"aws:PrincipalArn": "arn:aws:iam::" + consumer + ":user/granter"}},
			})
		}
		need(j.kmsOf(in(j.root(a.Account), a.Region)).PutKeyPolicy(j.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(documentOf(statements))}))(j)
	}
	for caller, statements := range byCaller {
		p, _ := arn.ParsePrincipal(caller)
		need(iam.NewFromConfig(j.root(p.Account)).PutRolePolicy(j.Context(), &iam.PutRolePolicyInput{
			RoleName: &p.Name, PolicyName: new("keys"), PolicyDocument: new(documentOf(statements)),
		}))(j)
	}
}

// grants are made from the account of their grantee.
func (j *journey) grants(grants map[[2]string][]string) {
	j.Helper()
	if len(grants) == 0 {
		return
	}
	_, granter := j.user(consumer, "granter", allow("kms:CreateGrant"))
	for at, ops := range grants {
		in := &kms.CreateGrantInput{GranteePrincipal: &at[0], KeyId: &at[1]}
		for _, op := range ops {
			in.Operations = append(in.Operations, kmsOperation(op))
		}
		j.grant(granter, in)
	}
}

func documentOf(statements []map[string]any) string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// perform performs the steps in their order and says which failed, if any.
func (j *journey) perform(proof *route.Proof) (step string, err error) {
	for i := range proof.Steps {
		s := &proof.Steps[i]
		do := j.chain.steps[s.Name]
		if do == nil {
			j.Fatalf("nobody performs the step %s of %s", s.Name, j.chain.name)
		}
		if err := do(j, s); err != nil {
			return s.Name, err
		}
	}
	return "", nil
}

// blocked is the first step that check says is blocked by a required use, and the uses.
func blocked(p *route.Proof) (step string, uses []usage.Use) {
	for _, s := range p.Steps {
		for _, r := range s.Requests {
			if r.Verdict == route.Blocked {
				uses = append(uses, r.Use)
			}
		}
		if len(uses) > 0 {
			return s.Name, uses
		}
	}
	return "", nil
}

// failsAs reports whether an error is the one that the table of key uses gives.
func failsAs(err error, u usage.Use) bool {
	var later *failure
	var now smithy.APIError
	switch {
	case u.Failure.Shows == "state" && errors.As(err, &later):
		return u.Failure.Code == "" || strings.Contains(later.code+later.text, u.Failure.Code)
	case u.Failure.Shows == "error" && errors.As(err, &now):
		return u.Failure.Code == "" || now.ErrorCode() == u.Failure.Code
	}
	return false
}

// removed counts the permissions that were taken away, over all chains.
var removed atomic.Int64

// TestEveryRouteWorksAndFailsWithoutEachRequiredUse performs each route kind with what it
// requires and nothing more, and then once more without each permission: it fails at the
// step that check names, with the error that the table of key uses gives.
func TestEveryRouteWorksAndFailsWithoutEachRequiredUse(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { t.Logf("%d permissions were taken away, one at a time", removed.Load()) })
	for _, c := range chains() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j := c.begin(t, nil)
			proof := j.prove()
			if step, uses := blocked(&proof); step != "" {
				t.Fatalf("check says that %s is blocked: %+v", step, uses)
			}
			if step, err := j.perform(&proof); err != nil {
				t.Fatalf("with all that the route requires, %s fails: %v", step, err)
			}
			for _, p := range c.begin(t, nil).required() {
				t.Run("without "+p.String(), func(t *testing.T) {
					t.Parallel()
					c.withoutOne(t, p)
				})
			}
		})
	}
}

// withoutOne performs a chain without one permission.
func (c *chain) withoutOne(t *testing.T, p permission) {
	removed.Add(1)
	j := c.begin(t, &p)
	proof := j.prove()
	want, uses := blocked(&proof)
	if want == "" {
		t.Fatal("check does not miss it")
	}
	step, err := j.perform(&proof)
	if step != want {
		t.Fatalf("check says that %s is blocked; in the sandbox it is %q: %v", want, step, err)
	}
	if !slices.ContainsFunc(uses, func(u usage.Use) bool { return failsAs(err, u) }) {
		t.Errorf("%s fails with %v\nand the table of key uses has %+v", step, err, uses[0].Failure)
	}
}

// settled moves the clock on until something is as wanted, for a minute at most.
func (j *journey) settled(what string, look func() (bool, error)) error {
	for range 120 {
		ok, err := look()
		if ok || err != nil {
			return err
		}
		j.pass(2 * time.Second)
	}
	return &failure{text: what + " does not come to an end"}
}
