package examples_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// defect is one mistake of the article that an example follows. It is either
// told by rules, or cannot be seen in an estate and a route, and why.
type defect struct {
	what   string
	rules  []string
	unseen string
}

const (
	inCommand = "it is in a command line, which no estate holds"
	inAdvice  = "it is advice in prose; nothing of it reaches AWS"
	inCode    = "it is in a program or template that writes policies; an estate has what was written"
)

// articles lists, by example, what is wrong in the article it follows.
func articles() map[string][]defect {
	return map[string][]defect{
		"drs-authfailure": {
			{"one root cause is named for an error that has several", nil, inAdvice},
			{"the role that shares the snapshots is never mentioned", []string{"KEY001"}, ""},
			{"the service principal of DRS is admitted, through a service, from anywhere", []string{"KEY002", "KEY016", "KEY017"}, ""},
			{"kms:ViaService names DRS, which sends none", []string{"KEY015"}, ""},
			{"the target account may make grants for anybody and decrypt directly", []string{"KEY012", "KEY058"}, ""},
			{"the half of the target's own IAM policy is missing", []string{"KEY041"}, ""},
			{"the printed policy is no JSON, because the reply holds more than the policy", nil, inCommand},
			{"the whole policy is overwritten, without a difference, a copy or a check", nil, "it is a step of a person; the policy before it is gone"},
			{"a parameter is misspelt, and an old job is watched", nil, inCommand},
			{"the default key is advised", nil, inAdvice + "; KEY003 tells it once the replication settings have it"},
			{"every new key of the account is opened to DRS", nil, inCode},
			{"statements are appended again with every run", nil, inCode},
			{"identifiers of a living account are in the text", nil, "they are replaced by those that AWS uses in examples"},
		},
		"drs-other-region": {
			{"the staging area is in one Region and the target in another", []string{"KEY024"}, ""},
		},
		"drs-cross-account": {
			{"the policies name services of a Region in which the key is not", []string{"KEY014"}, ""},
			{"what DRS needs is not among the rights that are listed", []string{"KEY001", "KEY041"}, ""},
			{"a key is made with tags without the right to tag", nil, inCommand},
			{"an alias stays when the next step fails", nil, inCommand},
			{"another account's service-linked role is admitted, which has no right on keys", []string{"KEY009"}, ""},
			{"the role may not exist yet, and AWS refuses a policy that names it then", nil, "the estate holds the role; KEY020 tells one that it does not hold"},
			{"the whole target account may decrypt directly", []string{"KEY058"}, ""},
			{"two statements for the service principal of DRS, one meant for the other account", []string{"KEY002", "KEY016", "KEY017"}, ""},
			{"the replication settings are updated without their id, and flags take values", nil, inCommand},
			{"the role's policy names the key, and a Region in which it is not", []string{"KEY014"}, ""},
			{"every key of the other account is named", []string{"KEY058"}, ""},
			{"a policy is put on a service-linked role", []string{"KEY010"}, ""},
			{"DescribeKey and a failing Decrypt are taken for a proof", nil, inCommand},
			{"a template makes the key without retaining it", nil, inCode},
			{"an alias is given where only ids are taken; operations and fields that do not exist", nil, inCommand},
			{"a condition is added to cure a denial", nil, inAdvice},
			{"rotation is taken for encryption under a new key", nil, inAdvice},
		},
		"ami-org": {
			{"the key policy has no Version", []string{"KEY060"}, ""},
			{"nobody may change the key policy, and the account is not in it", []string{"KEY004", "KEY005"}, ""},
			{"kms:ReEncrypt is no action", []string{"KEY006"}, ""},
			{"the whole organization may make and take grants", []string{"KEY012", "KEY059"}, ""},
			{"Resources is no element", []string{"KEY008"}, ""},
			{"the launching role has no right to re-encrypt, as the statement has no effect", []string{"KEY007"}, ""},
			{"Auto Scaling of another account has no grant", []string{"KEY009"}, ""},
			{"a grant is made to a role that starts no instance", []string{"KEY062"}, ""},
			{"the key policy of the second Region is not the one of the first", []string{"KEY039"}, ""},
			{"a placeholder stands where the organization's id belongs", nil, "the example has an id, so that the rest can be seen"},
			{"the form of the grants is not shown: name, account, direct call", nil, inCommand},
		},
		"etcd-backup": {
			{"the key policy names a role and a user that do not exist", []string{"KEY020"}, ""},
			{"kms:ResourceAliases is compared as if it had one value", []string{"KEY026"}, ""},
			{"every key of every Region is named", []string{"KEY058"}, ""},
			{"the bucket's default encryption names an alias", []string{"KEY033"}, ""},
			{"uploads need kms:GenerateDataKey", []string{"KEY032"}, ""},
			{"two actions of the administrator are none", []string{"KEY064"}, ""},
			{"keys are made with tags without the right to tag", []string{"KEY065"}, ""},
			{"the administrator may change the policy of every key", []string{"KEY110"}, ""},
			{"more than 4096 bytes are encrypted directly; base64 is taken for bytes; an alias for an id", nil, inCommand},
			{"a right stands in the key policy and in an IAM policy", nil, "the two name roles that differ, so each right stands in one place"},
			{"lifecycle rules have a member that does not exist, and keep old versions", nil, "an estate holds no lifecycle rules"},
			{"Bucket Keys are off", nil, "it costs requests and blocks nobody"},
			{"passwords of users are kept", nil, inAdvice},
			{"rotation is taken for protection; there is one account and one Region", nil, inAdvice + "; keyreach routes --survive tells what a loss closes"},
			{"a simulator that knows no key policies is taken for a proof", nil, inCommand},
			{"nothing has an encryption context", nil, "S3 gives its own; direct encryption is not on the route"},
		},
		"rds-default-key": {
			{"automated snapshots have to be copied first", nil, "the route's first step makes the copy"},
			{"an administrator's kms:Create* includes kms:CreateGrant", []string{"KEY012"}, ""},
			{"the whole backup account may use the key directly", []string{"KEY058"}, ""},
			{"the administrator is said to need nothing more", nil, "no control policy stands in the way here; one that does is a blocker of its own"},
			{"re-encryption is allowed on every key", []string{"KEY058"}, ""},
			{"the copy in the backup account is under the source's key", []string{"KEY047"}, ""},
			{"nothing is said of another Region", nil, inAdvice},
		},
	}
}

// Every defect of the articles is told, or is one that cannot be seen in what
// AWS was given, and the table says why.
func TestTheDefectsOfTheArticlesAreTold(t *testing.T) {
	t.Parallel()
	for name, defects := range articles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := rulesOf(t, name)
			seen := 0
			for _, d := range defects {
				if (len(d.rules) == 0) == (d.unseen == "") {
					t.Errorf("%s: either rules or why not", d.what)
				}
				for _, rule := range d.rules {
					if !slices.Contains(told, rule) {
						t.Errorf("%s: %s is not told, only %v", d.what, rule, told)
					}
				}
				if len(d.rules) > 0 {
					seen++
				}
			}
			t.Logf("%d of %d defects are told; the others cannot be seen", seen, len(defects))
		})
	}
}

// rulesOf returns the rules that check reports on an example.
func rulesOf(t *testing.T, name string) []string {
	t.Helper()
	f, err := route.LoadFile(filepath.Join(name, route.FileName))
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.LoadFile(f.EstatePath())
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for i := range f.Routes {
		p, err := route.Prove(&f.Routes[i], e, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		p.Find(&f.Routes[i], e)
		for _, f := range append(p.Findings, e.Findings()...) {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}
