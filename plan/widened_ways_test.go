package plan_test

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

const (
	foreignRole = "arn:aws:iam::" + outsiders + ":role/Somebody"
	otherKey    = "arn:aws:kms:us-east-1:" + outsiders + ":key/11112222-3333-4444-8555-666677778888"
	openPolicy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}`
)

func mutations() []mutation {
	return slices.Concat(principalWays(), actionWays(), conditionWays(), documentWays(), grantWays(), identityWays(), opWays(), settingWays())
}

// named is who a statement names, when it is one by ARN.
func named(s statementMap) (arn.Principal, bool) {
	who, _ := s["Principal"].(statementMap)
	text, _ := who["AWS"].(string)
	p, err := arn.ParsePrincipal(text)
	return p, err == nil && p.Account != ""
}

// principals turns whom a statement of a key policy names into somebody else.
func principals(name string, other func(p arn.Principal) any) mutation {
	return mutation{name, onStatements(keyPolicy, func(_ *original, s statementMap) bool {
		p, ok := named(s)
		if ok = ok && p.Kind != arn.AccountRoot; ok {
			s["Principal"] = other(p)
		}
		return ok
	})}
}

func principalWays() []mutation {
	aws := func(v any) any { return statementMap{"AWS": v} }
	iam := func(p arn.Principal) string { return "arn:aws:iam::" + p.Account + ":" }
	return []mutation{
		principals("everybody", func(arn.Principal) any { return "*" }),
		principals("everybody, in the form with AWS", func(arn.Principal) any { return aws("*") }),
		principals("the account's root", func(p arn.Principal) any { return aws(iam(p) + "root") }),
		principals("the account's number", func(p arn.Principal) any { return aws(p.Account) }),
		principals("somebody more", func(p arn.Principal) any { return aws([]string{p.Text, foreignRole}) }),
		principals("a role of the same account more", func(p arn.Principal) any { return aws([]string{p.Text, iam(p) + "role/Auditor"}) }),
		principals("a role that is to come", func(p arn.Principal) any { return aws(iam(p) + "role/FutureRole") }),
		principals("roles by a wildcard", func(p arn.Principal) any { return aws(iam(p) + "role/*") }),
		principals("a service more", func(p arn.Principal) any { return statementMap{"AWS": p.Text, "Service": "lambda.amazonaws.com"} }),
		{"everybody but one", onStatements(keyPolicy, func(_ *original, s statementMap) bool {
			who := s["Principal"]
			delete(s, "Principal")
			s["NotPrincipal"] = who
			return true
		})},
		{"another account, with its own CallerAccount", onStatements(keyPolicy, func(_ *original, s statementMap) bool {
			equals := condition(s, "StringEquals")
			if _, ok := named(s); !ok || equals["kms:CallerAccount"] == nil {
				return false
			}
			s["Principal"], equals["kms:CallerAccount"] = aws(foreignRole), outsiders
			return true
		})},
	}
}

// condition are the keys of an operator in a statement; none when it is not there.
func condition(s statementMap, operator string) statementMap {
	c, _ := s["Condition"].(statementMap)
	keys, _ := c[operator].(statementMap)
	return keys
}

func actionWays() []mutation {
	list := []mutation{{"all actions but one", onStatements(keyPolicy, func(_ *original, s statementMap) bool {
		delete(s, "Action")
		s["NotAction"] = "kms:PutKeyPolicy"
		return true
	})}}
	for _, action := range []string{"*", "kms:*", "kms:PutKeyPolicy", "kms:Re*"} {
		list = append(list, mutation{"the action " + action, onStatements(keyPolicy, func(_ *original, s statementMap) bool {
			s["Action"] = action
			return true
		})})
	}
	return append(list,
		mutation{"another action more", onStatements(keyPolicy, func(_ *original, s statementMap) bool {
			s["Action"] = append(listOf(s["Action"]), "kms:Sign")
			return true
		})},
		mutation{"every action in an identity policy", onStatements(inlinePolicy, func(_ *original, s statementMap) bool {
			s["Action"] = "kms:*"
			return true
		})},
	)
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// viaService edits the condition on kms:ViaService of a statement that has one.
func viaService(edit func(s, equals statementMap)) func(*original, statementMap) bool {
	return func(_ *original, s statementMap) bool {
		equals := condition(s, "StringEquals")
		if equals["kms:ViaService"] == nil {
			return false
		}
		edit(s, equals)
		return true
	}
}

// moved moves a condition to another operator.
func moved(operator string) func(s, equals statementMap) {
	return func(s, equals statementMap) {
		s["Condition"].(statementMap)[operator] = statementMap{"kms:ViaService": equals["kms:ViaService"]}
		delete(equals, "kms:ViaService")
	}
}

func conditionWays() []mutation {
	ways := map[string]func(s, equals statementMap){
		"any service":     func(_, equals statementMap) { delete(equals, "kms:ViaService") },
		"another service": func(_, equals statementMap) { equals["kms:ViaService"] = "lambda.us-east-1.amazonaws.com" },
		"one service more": func(_, equals statementMap) {
			equals["kms:ViaService"] = []any{equals["kms:ViaService"], "s3.eu-west-1.amazonaws.com"}
		},
		"the service where there is one":      moved("StringEqualsIfExists"),
		"the service by a pattern, if any":    moved("StringLikeIfExists"),
		"every service but one":               moved("StringNotEquals"),
		"the service of any of several calls": moved("ForAllValues:StringEquals"),
		"any service by a pattern": func(s, equals statementMap) {
			delete(equals, "kms:ViaService")
			s["Condition"].(statementMap)["StringLike"] = statementMap{"kms:ViaService": "*"}
		},
		"a tag in place of the service": func(_, equals statementMap) {
			delete(equals, "kms:ViaService")
			equals["aws:PrincipalTag/team"] = "recovery"
		},
		"no condition": func(s, _ statementMap) { delete(s, "Condition") },
	}
	var list []mutation
	for _, name := range slices.Sorted(mapKeys(ways)) {
		list = append(list, mutation{name, onStatements(keyPolicy, viaService(ways[name]))})
		if name == "any service" || name == "no condition" {
			list = append(list, mutation{name + ", by an identity policy", onStatements(inlinePolicy, viaService(ways[name]))})
		}
	}
	notForAWS := func(_ *original, s statementMap) bool {
		if condition(s, "Bool")["kms:GrantIsForAWSResource"] == nil {
			return false
		}
		delete(s["Condition"].(statementMap), "Bool")
		return true
	}
	return append(list,
		mutation{"grants for anything", onStatements(keyPolicy, notForAWS)},
		mutation{"grants for anything, by an identity policy", onStatements(inlinePolicy, notForAWS)},
		mutation{"grants that are for anything if nobody says", onStatements(keyPolicy, func(b *original, s statementMap) bool {
			old := condition(s, "Bool")
			if !notForAWS(b, s) {
				return false
			}
			s["Condition"].(statementMap)["BoolIfExists"] = old
			return true
		})},
		mutation{"members of another organization", foreignOrganization},
	)
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// foreignOrganization lets the members of an organization in that is not the estate's,
// and says that somebody chose it.
func foreignOrganization(b *original, p *plan.Plan) bool {
	p.Chosen.Org = "o-foreign000"
	return onStatements(keyPolicy, func(_ *original, s statementMap) bool {
		equals := condition(s, "StringEquals")
		if _, ok := named(s); !ok || equals["kms:CallerAccount"] == nil {
			return false
		}
		s["Principal"], equals["aws:PrincipalOrgID"] = statementMap{"AWS": "*"}, p.Chosen.Org
		delete(equals, "kms:CallerAccount")
		return true
	})(b, p)
}

func documentWays() []mutation {
	added := func(s statementMap) func([]any) ([]any, bool) {
		return func(list []any) ([]any, bool) { return append(list, s), true }
	}
	way := func(name string, edit func([]any) ([]any, bool)) mutation {
		return mutation{name, func(_ *original, p *plan.Plan) bool { return onDocuments(keyPolicy, edit)(p) }}
	}
	denying := func(list []any) int {
		return slices.IndexFunc(list, func(v any) bool { return v.(statementMap)["Effect"] == "Deny" })
	}
	return []mutation{
		way("a statement more", added(statementMap{"Sid": "KeyreachUse00000000", "Effect": "Allow", "Principal": statementMap{"AWS": foreignRole}, "Action": "kms:Decrypt", "Resource": "*"})),
		way("a statement without a Sid more", added(statementMap{"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": statementMap{"StringEquals": statementMap{"aws:PrincipalOrgID": "o-abc1234567"}}})),
		way("the account's own statement lost", func(list []any) ([]any, bool) {
			at := slices.IndexFunc(list, func(v any) bool {
				p, ok := named(v.(statementMap))
				return ok && p.Kind == arn.AccountRoot && v.(statementMap)["Action"] == "kms:*"
			})
			if at < 0 {
				return list, false
			}
			return slices.Delete(list, at, at+1), true
		}),
		way("a Deny lost", func(list []any) ([]any, bool) {
			at := denying(list)
			if at < 0 {
				return list, false
			}
			return slices.Delete(list, at, at+1), true
		}),
		way("a Deny narrowed", func(list []any) ([]any, bool) {
			at := denying(list)
			if at < 0 {
				return list, false
			}
			list[at].(statementMap)["Condition"] = statementMap{"StringEquals": statementMap{"aws:PrincipalTag/never": "x"}}
			return list, true
		}),
		{"a vault open to everybody", onStatements(vaultPolicy, func(_ *original, s statementMap) bool { s["Principal"] = "*"; return true })},
		{"a vault open to another account", onStatements(vaultPolicy, func(_ *original, s statementMap) bool {
			s["Principal"] = statementMap{"AWS": "arn:aws:iam::" + outsiders + ":root"}
			return true
		})},
		{"a vault from which may be deleted", onStatements(vaultPolicy, func(_ *original, s statementMap) bool { s["Action"] = "backup:*"; return true })},
	}
}

func grantWays() []mutation {
	issue := func(edit func(s statementMap)) func(*original, statementMap) bool {
		return func(_ *original, s statementMap) bool {
			sid, _ := s["Sid"].(string)
			if !strings.HasPrefix(sid, "KeyreachIssue") {
				return false
			}
			edit(s)
			return true
		}
	}
	return []mutation{
		{"a grant to somebody else", on(func(_ *original, o *estate.GrantTo) bool { o.Grantee = foreignRole; return true })},
		{"a grant to another role of the account", on(func(_ *original, o *estate.GrantTo) bool {
			o.Grantee = "arn:aws:iam::" + o.Issuer + ":role/Auditor"
			return true
		})},
		{"a grant of more operations", on(func(_ *original, o *estate.GrantTo) bool { o.Operations = append(o.Operations, "Sign"); return true })},
		{"a grant of no operations", on(func(_ *original, o *estate.GrantTo) bool { o.Operations = nil; return true })},
		{"a grant from another account", on(func(_ *original, o *estate.GrantTo) bool { o.Issuer = outsiders; return true })},
		{"grants to anybody", onStatements(keyPolicy, issue(func(s statementMap) { delete(condition(s, "StringEquals"), "kms:GranteePrincipal") }))},
		{"grants to somebody else", onStatements(keyPolicy, issue(func(s statementMap) { condition(s, "StringEquals")["kms:GranteePrincipal"] = foreignRole }))},
		{"grants of more operations", onStatements(keyPolicy, issue(func(s statementMap) {
			ops := condition(s, "ForAllValues:StringEquals")
			ops["kms:GrantOperations"] = append(listOf(ops["kms:GrantOperations"]), "Sign")
		}))},
		{"grants of any operations", onStatements(keyPolicy, issue(func(s statementMap) { delete(s["Condition"].(statementMap), "ForAllValues:StringEquals") }))},
		{"grants by everybody", onStatements(keyPolicy, issue(func(s statementMap) { s["Principal"] = statementMap{"AWS": "*"} }))},
	}
}

func identityWays() []mutation {
	return []mutation{
		{"every key, by an identity policy", onStatements(inlinePolicy, func(_ *original, s statementMap) bool { s["Resource"] = "*"; return true })},
		{"another key, by an identity policy", onStatements(inlinePolicy, func(_ *original, s statementMap) bool { s["Resource"] = otherKey; return true })},
		{"keys by a pattern", onStatements(inlinePolicy, func(_ *original, s statementMap) bool { s["Resource"] = "arn:aws:kms:*:*:key/*"; return true })},
		{"the policy of another principal", on(func(b *original, o *estate.InlinePolicy) bool {
			for i := range b.base.Principals {
				p := &b.base.Principals[i]
				if a, err := arn.ParsePrincipal(p.ARN); p.ARN != o.Principal && p.Unreadable == "" && err == nil && !a.IsServiceLinked() && !b.acts(a) {
					o.Principal = p.ARN
					return true
				}
			}
			return false
		})},
		{"a trust policy for everybody", on(func(_ *original, o *estate.NewRole) bool {
			o.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
			return true
		})},
		{"a managed policy more", on(func(_ *original, o *estate.NewRole) bool {
			o.Managed = append(o.Managed, "arn:aws:iam::aws:policy/AdministratorAccess")
			return true
		})},
	}
}

// acts reports whether somebody acts in the routes, and so may need what another does.
func (b *original) acts(p arn.Principal) bool {
	for i := range b.routes {
		proof, err := route.Prove(&b.routes[i], b.base, noon)
		if err != nil {
			return true
		}
		for j := range proof.Steps {
			for k := range proof.Steps[j].Requests {
				if c, err := arn.ParsePrincipal(proof.Steps[j].Requests[k].Caller); err == nil && c.SameRole(p) {
					return true
				}
			}
		}
	}
	return false
}

// has reports whether a party of the routes is such.
func (b *original) has(such func(route.Party) bool) bool {
	for i := range b.routes {
		for _, parties := range b.routes[i].Parties {
			if slices.ContainsFunc(parties, such) {
				return true
			}
		}
	}
	return false
}

func opWays() []mutation {
	return []mutation{
		{"a made key open to everybody", on(func(_ *original, o *estate.NewKey) bool { o.Document = openPolicy; return true })},
		{"a made key that no route names", with(func(b *original) estate.Op { return &estate.NewKey{ARN: otherKey, Document: openPolicy} })},
		{"an alias for another key", on(func(b *original, o *estate.Alias) bool {
			for i := range b.base.Keys {
				if k := &b.base.Keys[i]; strings.Contains(k.ARN, ":"+o.Region+":"+o.Account+":") {
					o.Key = k.ARN
					return true
				}
			}
			return false
		})},
		{"an alias that no route names", with(func(b *original) estate.Op {
			k, err := arn.Parse(b.base.Keys[0].ARN)
			if err != nil {
				return nil
			}
			return &estate.Alias{Name: "alias/other", Account: k.Account, Region: k.Region, Key: k.String()}
		})},
		{"a role that no route names", with(func(b *original) estate.Op {
			return &estate.NewRole{ARN: "arn:aws:iam::" + b.base.Accounts[0].ID + ":role/New", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`}
		})},
		{"a service's role that no route names", with(func(b *original) estate.Op {
			return &estate.LinkedRole{ARN: "arn:aws:iam::" + b.base.Accounts[0].ID + ":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", Service: "ecs.amazonaws.com"}
		})},
		{"an identity policy that no route needs", with(func(b *original) estate.Op {
			return &estate.InlinePolicy{Principal: b.base.Principals[0].ARN, Name: "Keyreach-more", Document: `{"Version":"2012-10-17","Statement":[{"Sid":"KeyreachUse00000000","Effect":"Allow","Action":"kms:Decrypt","Resource":"` + b.base.Keys[0].ARN + `"}]}`}
		})},
	}
}

func settingWays() []mutation {
	return []mutation{
		{"a key disabled", with(func(b *original) estate.Op { return &estate.KeyState{Key: b.base.Keys[0].ARN, State: "Disabled"} })},
		{"a key enabled that nobody asked for", with(func(b *original) estate.Op {
			for i := range b.base.Keys {
				if k := &b.base.Keys[i]; k.State == "Disabled" || k.State == "PendingDeletion" {
					return &estate.KeyState{Key: k.ARN, State: "Enabled"}
				}
			}
			return nil
		})},
		{"a key deleted", with(func(b *original) estate.Op { return &estate.NewKey{ARN: b.base.Keys[0].ARN, Absent: true} })},
		{"the rotation of a key off", with(func(b *original) estate.Op {
			for i := range b.base.Keys {
				if b.base.Keys[i].Rotation == "on" {
					return &estate.Rotation{Key: b.base.Keys[i].ARN}
				}
			}
			return nil
		})},
		{"the rotation of a key on that no route names", with(func(b *original) estate.Op {
			for i := range b.base.Keys {
				k := &b.base.Keys[i]
				if uses := func(p route.Party) bool {
					return p.Key == k.ARN || p.Alias != "" && slices.Contains(k.Aliases, p.Alias)
				}; !b.has(uses) {
					return &estate.Rotation{Key: k.ARN, On: true}
				}
			}
			return nil
		})},
		{"encryption by default off", with(func(b *original) estate.Op {
			for i := range b.base.Accounts {
				for region, d := range b.base.Accounts[i].EBSDefaults {
					if d.Encrypt {
						return &estate.EBSEncryption{Account: b.base.Accounts[i].ID, Region: region}
					}
				}
			}
			return nil
		})},
		{"a default key that nobody chose", with(func(b *original) estate.Op {
			return &estate.EBSEncryption{Account: b.base.Accounts[0].ID, Region: "us-east-1", Encrypt: true, Key: otherKey}
		})},
		{"replication under the default key", on(func(_ *original, o *estate.ReplicationEncryption) bool {
			o.Encryption, o.Key = "DEFAULT", ""
			return true
		})},
		{"replication under another key", on(func(_ *original, o *estate.ReplicationEncryption) bool { o.Key = otherKey; return true })},
		{"a bucket open to everybody", on(bucketSetting(estate.BucketPublicAccess, "false"))},
		{"a bucket that keeps no versions", on(bucketSetting(estate.BucketVersioning, "Suspended"))},
		{"a bucket under no key", on(bucketSetting(estate.BucketEncryption, "AES256"))},
		{"a bucket under another key", on(bucketSetting(estate.BucketEncryption, otherKey))},
		{"a bucket that loses everything in a day", on(bucketSetting(estate.BucketLifecycle, `{"Rules":[{"ID":"all","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}]}`))},
		{"a bucket's objects for everybody", onStatements(bucketPolicy, func(_ *original, s statementMap) bool { s["Principal"] = "*"; return true })},
		{"a bucket that nobody chose", func(b *original, p *plan.Plan) bool {
			op := &estate.NewBucket{Bucket: "other", Account: b.base.Accounts[0].ID, Region: "us-east-1"}
			return with(func(*original) estate.Op { return op })(b, p)
		}},
	}
}

func bucketSetting(setting, text string) func(*original, *estate.BucketSetting) bool {
	return func(_ *original, o *estate.BucketSetting) bool {
		if o.Setting != setting {
			return false
		}
		o.Text = text
		return true
	}
}
