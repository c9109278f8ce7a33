package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// matchedBy are the statements of a simulation, as policy@line:column-line:column. A
// policy of another kind than its name says has the kind before it.
func matchedBy(list []types.Statement) string {
	var out []string
	for _, s := range list {
		if (s.SourcePolicyType == "Resource Policy") != (*s.SourcePolicyId == "ResourcePolicy") || !strings.HasSuffix(string(s.SourcePolicyType), " Policy") {
			out = append(out, string(s.SourcePolicyType))
		}
		out = append(out, fmt.Sprintf("%s@%d:%d-%d:%d", *s.SourcePolicyId, s.StartPosition.Line, s.StartPosition.Column, s.EndPosition.Line, s.EndPosition.Column))
	}
	return strings.Join(out, " ")
}

// only is the place of the one statement of a list in a policy of one line.
func only(policy string) string {
	return fmt.Sprintf("@1:%d-1:%d", strings.IndexByte(policy, '[')+2, len(policy)-1)
}

// Decisions and positions; the first two rows are AWS's own examples
// (https://docs.aws.amazon.com/cli/latest/reference/iam/simulate-custom-policy.html).
func TestTheSimulatorTellsWhichStatementsDecided(t *testing.T) {
	t.Parallel()
	const (
		dated = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`
		pair  = `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": "*"
        },
        {
            "Effect": "Deny",
            "Action": "kms:Decrypt",
            "Resource": "*"
        }
    ]
}`
		oldKey   = "arn:aws:kms:us-east-1:" + owner + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
		inKey    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}`
		closeKey = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + owner + `"},"Action":"kms:*","Resource":"*"}]}`
	)
	at := func(date string) []types.ContextEntry {
		return []types.ContextEntry{{ContextKeyName: new("aws:CurrentTime"), ContextKeyValues: []string{date}, ContextKeyType: types.ContextKeyTypeEnumDate}}
	}
	w := newWorld(t)
	c := w.iam(owner)
	for _, x := range []struct {
		name, policy, action, resource, keyPolicy string
		context                                   []types.ContextEntry
		decision, matched                         string
	}{
		{"a policy of one statement", dated, "dynamodb:CreateBackup", "", "", at("2019-04-25T11:00:00Z"), "allowed", "PolicyInputList.1@1:38-1:167"},
		{"a condition that is not met", dated, "dynamodb:CreateBackup", "", "", at("2014-04-25T11:00:00Z"), "implicitDeny", ""},
		{"the first of two statements", pair, "kms:Encrypt", "", "", nil, "allowed", "PolicyInputList.1@3:19-8:10"},
		{"a deny is told alone", pair, "kms:Decrypt", "", "", nil, "explicitDeny", "PolicyInputList.1@8:10-13:10"},
		{"what no statement speaks of", pair, "s3:GetObject", "", "", nil, "implicitDeny", ""},
		{"a key without its policy", pair, "kms:Encrypt", oldKey, "", nil, "allowed", "PolicyInputList.1@3:19-8:10"},
		{"a key without its policy, not allowed", dated, "kms:Encrypt", oldKey, "", nil, "implicitDeny", ""},
		{"a key with its policy", pair, "kms:Encrypt", oldKey, closeKey, nil, "allowed", "PolicyInputList.1@3:19-8:10 ResourcePolicy" + only(closeKey)},
		{"a key whose policy lets everybody in", dated, "kms:Encrypt", oldKey, inKey, nil, "allowed", "ResourcePolicy" + only(inKey)},
	} {
		in := &iam.SimulateCustomPolicyInput{PolicyInputList: []string{x.policy}, ActionNames: []string{x.action}, ContextEntries: x.context}
		if x.resource != "" {
			in.ResourceArns = []string{x.resource}
		}
		if x.keyPolicy != "" {
			in.ResourcePolicy, in.CallerArn = &x.keyPolicy, new("arn:aws:iam::"+owner+":user/simulated")
		}
		r := need(c.SimulateCustomPolicy(t.Context(), in))(t).EvaluationResults[0]
		if string(r.EvalDecision) != x.decision || matchedBy(r.MatchedStatements) != x.matched {
			t.Errorf("%s: %s by %q, want %s by %q", x.name, r.EvalDecision, matchedBy(r.MatchedStatements), x.decision, x.matched)
		}
	}
}

func TestTheSimulatorNamesThePoliciesOfAPrincipal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.iam(owner)
	u, _ := w.user(owner, "u", allow("kms:Encrypt"))
	need(c.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: new("g")}))(t)
	need(c.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{GroupName: new("g"), UserName: new("u")}))(t)
	need(c.PutGroupPolicy(t.Context(), &iam.PutGroupPolicyInput{GroupName: new("g"), PolicyName: new("groups"), PolicyDocument: new(allow("kms:Decrypt"))}))(t)
	p := need(c.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: new("managed"), Path: new("/a/"), PolicyDocument: new(allow("kms:Sign"))}))(t).Policy
	need(c.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: new("u"), PolicyArn: p.Arn}))(t)
	need(c.AttachGroupPolicy(t.Context(), &iam.AttachGroupPolicyInput{GroupName: new("g"), PolicyArn: p.Arn}))(t)
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &u.arn, ActionNames: []string{"kms:Encrypt", "kms:Decrypt", "kms:Sign", "kms:Verify"}, PolicyInputList: []string{allow("kms:Verify")}}
	out := need(c.SimulatePrincipalPolicy(t.Context(), in))(t).EvaluationResults
	sign := "managed" + only(allow("kms:Sign"))
	for i, want := range []string{"user_u_own" + only(allow("kms:Encrypt")), "group_g_groups" + only(allow("kms:Decrypt")), sign + " " + sign, "PolicyInputList.1" + only(allow("kms:Verify"))} {
		if got := matchedBy(out[i].MatchedStatements); got != want || out[i].EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
			t.Errorf("%s: %s by %q, want %q", *out[i].EvalActionName, out[i].EvalDecision, got, want)
		}
	}
	in = &iam.SimulatePrincipalPolicyInput{PolicySourceArn: new("arn:aws:iam::" + owner + ":group/g"), ActionNames: []string{"kms:Encrypt", "kms:Decrypt"}}
	out = need(c.SimulatePrincipalPolicy(t.Context(), in))(t).EvaluationResults
	if matchedBy(out[0].MatchedStatements) != "" || matchedBy(out[1].MatchedStatements) != "group_g_groups"+only(allow("kms:Decrypt")) {
		t.Errorf("the group alone: %+v", out)
	}
	r := w.role(owner, "r", allow("kms:Encrypt"), "")
	in = &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &r.arn, ActionNames: []string{"kms:Encrypt"}}
	out = need(c.SimulatePrincipalPolicy(t.Context(), in))(t).EvaluationResults
	if got := matchedBy(out[0].MatchedStatements); got != "role_r_own"+only(allow("kms:Encrypt")) {
		t.Errorf("the role: %q", got)
	}
}

// Of several resources there is one result, the strictest, and one of each.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html.
func TestTheSimulatorTellsOfEachResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.iam(owner)
	policy := document(
		`{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::a/*","arn:aws:s3:::c/*"]}`,
		`{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::c/*"}`)
	const a, b, denied = "arn:aws:s3:::a/x", "arn:aws:s3:::b/x", "arn:aws:s3:::c/x"
	for _, x := range []struct {
		name      string
		resources []string
		named     string
		want      []string // the decision, then those of the resources
	}{
		{"none", nil, "*", []string{"implicitDeny"}},
		{"all", []string{"*"}, "*", []string{"implicitDeny"}},
		{"one", []string{a}, a, []string{"allowed", "allowed"}},
		{"one that is allowed and one that is not", []string{a, b}, "*", []string{"implicitDeny", "allowed", "implicitDeny"}},
		{"one of each", []string{a, denied, b}, "*", []string{"explicitDeny", "allowed", "explicitDeny", "implicitDeny"}},
	} {
		r := need(c.SimulateCustomPolicy(t.Context(), &iam.SimulateCustomPolicyInput{
			PolicyInputList: []string{policy}, ActionNames: []string{"s3:GetObject", "s3:PutObject"}, ResourceArns: x.resources,
		}))(t).EvaluationResults
		if len(r) != 2 {
			t.Errorf("%s: %d results of two actions", x.name, len(r))
		}
		got := []string{string(r[0].EvalDecision)}
		for i, one := range r[0].ResourceSpecificResults {
			got = append(got, string(one.EvalResourceDecision))
			if *one.EvalResourceName != x.resources[i] {
				t.Errorf("%s: resource %d is %s", x.name, i, *one.EvalResourceName)
			}
		}
		if !slices.Equal(got, x.want) || *r[0].EvalResourceName != x.named {
			t.Errorf("%s: %v on %s, want %v on %s", x.name, got, *r[0].EvalResourceName, x.want, x.named)
		}
	}
}

func TestContextKeysOfPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.iam(owner)
	one := func(elements string) string { return document(`{"Effect":"Allow","Action":"s3:*",` + elements + `}`) }
	for _, x := range []struct {
		name     string
		policies []string
		want     []string
	}{
		{"none", []string{allow("s3:*")}, []string{}},
		{"AWS's example", []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-west-2:123456789012:table/${aws:username}","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"}}}}`}, []string{"aws:username", "aws:CurrentTime"}},
		{"a variable with a default, and one in a condition", []string{one(`"Resource":"arn:aws:s3:::${aws:PrincipalTag/team, 'none'}/*","Condition":{"StringLike":{"s3:prefix":"${aws:userid}/*"}}`)}, []string{"aws:PrincipalTag/team", "s3:prefix", "aws:userid"}},
		{"characters that only look like variables", []string{one(`"Resource":"arn:aws:s3:::b/${*}${?}${$}"`)}, []string{}},
		{"the old version, which has no variables", []string{strings.Replace(one(`"Resource":"arn:aws:s3:::${aws:username}"`), "2012-10-17", "2008-10-17", 1)}, []string{}},
		{"two policies, with one key in two spellings", []string{one(`"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`), one(`"Resource":"*","Condition":{"Bool":{"aws:securetransport":"true"}}`)}, []string{"aws:SecureTransport"}},
	} {
		got := need(c.GetContextKeysForCustomPolicy(t.Context(), &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: x.policies}))(t).ContextKeyNames
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
	u, _ := w.user(owner, "u", one(`"Resource":"arn:aws:s3:::${aws:username}"`))
	need(c.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: new("g")}))(t)
	need(c.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{GroupName: new("g"), UserName: new("u")}))(t)
	need(c.PutGroupPolicy(t.Context(), &iam.PutGroupPolicyInput{GroupName: new("g"), PolicyName: new("p"), PolicyDocument: new(one(`"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`))}))(t)
	got := need(c.GetContextKeysForPrincipalPolicy(t.Context(), &iam.GetContextKeysForPrincipalPolicyInput{
		PolicySourceArn: &u.arn, PolicyInputList: []string{one(`"Resource":"*","Condition":{"Null":{"aws:PrincipalOrgID":"true"}}`)},
	}))(t).ContextKeyNames
	slices.Sort(got)
	if want := []string{"aws:PrincipalOrgID", "aws:SecureTransport", "aws:username"}; !slices.Equal(got, want) {
		t.Errorf("of a user: %v, want %v", got, want)
	}
	_, err := c.GetContextKeysForPrincipalPolicy(t.Context(), &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: new("arn:aws:iam::" + owner + ":user/none")})
	w.ends("of nobody", err, "cannot be found.")
}
