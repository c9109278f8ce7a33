package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint/rules"
)

// told is one mistake of an article: what it is, and the rules that tell it,
// with the lines at which they do; or why a text cannot show it.
type told struct {
	what   string
	rules  []string
	from   int // the first and last line of it; 0 is anywhere in the text
	to     int
	unseen string
}

// mistakes lists, by the number in the name of an article, what is wrong in it.
func mistakes() map[string][]told {
	return map[string][]told{
		"000": {
			{"one root cause is named for an error that has several", []string{"KEY101"}, 11, 13, ""},
			{"and again at the end", []string{"KEY101"}, 164, 170, ""},
			{"the role that shares the snapshots is never mentioned", []string{"KEY001"}, 0, 0, ""},
			{"the service principal of DRS is admitted", []string{"KEY002"}, 21, 43, ""},
			{"with a condition that it never meets", []string{"KEY016"}, 21, 43, ""},
			{"and without a source", []string{"KEY017"}, 21, 43, ""},
			{"the same in the program", []string{"KEY002", "KEY016", "KEY017", "KEY015"}, 138, 152, ""},
			{"kms:ViaService names DRS, which sends none", []string{"KEY015"}, 36, 39, ""},
			{"the other account may make grants for anybody", []string{"KEY012"}, 49, 63, ""},
			{"the half of that account's own policies is not mentioned", []string{"KEY007"}, 0, 0, ""},
			{"the policy is printed in a form that is no JSON", []string{"KEY054"}, 79, 83, ""},
			{"the whole policy is overwritten, without comparing, without a copy", []string{"KEY029"}, 88, 92, ""},
			{"whether the caller locks himself out", []string{"KEY004"}, 88, 92, ""},
			{"sourceServerId is no member", []string{"KEY053"}, 101, 104, ""},
			{"an old job is watched", []string{"KEY053"}, 109, 111, ""},
			{"the default key is advised", []string{"KEY003"}, 118, 119, ""},
			{"every new key is opened", []string{"KEY104"}, 124, 125, ""},
			{"the statement is appended again with every run", []string{"KEY028"}, 127, 161, ""},
			{"and how long the policy gets is not looked at", []string{"KEY030"}, 127, 161, ""},
			{"keys of AWS, states, sizes and Regions are not looked at", []string{"KEY021"}, 127, 161, ""},
			{"json is not imported", nil, 0, 0, "it is a mistake of the programming language"},
			{"living identifiers", []string{"KEY105"}, 66, 112, ""},
		},
		"001": {
			{"the Regions do not fit", []string{"KEY014"}, 189, 192, ""},
			{"and in the role's policy", []string{"KEY014"}, 250, 257, ""},
			{"staging in one Region, recovery in another", []string{"KEY024"}, 0, 0, ""},
			{"what DRS needs is not among the rights", []string{"KEY001"}, 0, 0, ""},
			{"and the list of rights is another", []string{"KEY041"}, 54, 64, ""},
			{"a key is made with tags", []string{"KEY065"}, 75, 81, ""},
			{"an alias is made again with every run", []string{"KEY106"}, 75, 91, ""},
			{"another account's service-linked role is admitted", []string{"KEY009"}, 117, 121, ""},
			{"in both statements", []string{"KEY009"}, 136, 139, ""},
			{"which may not exist yet", []string{"KEY020"}, 117, 139, ""},
			{"the whole target account may decrypt directly", []string{"KEY058"}, 114, 131, ""},
			{"the service principal of DRS", []string{"KEY002"}, 153, 173, ""},
			{"and again for the other account", []string{"KEY002"}, 174, 195, ""},
			{"from anywhere", []string{"KEY017"}, 153, 195, ""},
			{"the template is not named, flags take values", []string{"KEY053"}, 214, 225, ""},
			{"a change of the key may copy everything again", []string{"KEY044"}, 214, 225, ""},
			{"every key of the other account", []string{"KEY058"}, 249, 249, ""},
			{"a policy on a service-linked role", []string{"KEY010"}, 263, 267, ""},
			{"DescribeKey as proof", []string{"KEY056"}, 272, 280, ""},
			{"the key is not retained", []string{"KEY061"}, 302, 306, ""},
			{"and does not rotate", []string{"KEY057"}, 302, 306, ""},
			{"the alias of the template is that of the script", []string{"KEY106"}, 384, 388, ""},
			{"leave for roles that the template does not make", []string{"KEY061"}, 414, 421, ""},
			{"the answer is read as the policy", []string{"KEY054"}, 436, 441, ""},
			{"more people than needed make grants", []string{"KEY012"}, 132, 195, ""},
			{"an alias for an id", []string{"KEY018"}, 436, 441, ""},
			{"a Decrypt of garbage as proof", []string{"KEY056"}, 446, 458, ""},
			{"an operation that does not exist", []string{"KEY053"}, 465, 468, ""},
			{"a member that does not exist", []string{"KEY053"}, 478, 480, ""},
			{"and again", []string{"KEY053"}, 488, 492, ""},
			{"conditions to cure a denial", []string{"KEY107"}, 506, 510, ""},
			{"and again", []string{"KEY107"}, 545, 549, ""},
			{"the key in the Region of the sources", []string{"KEY024"}, 519, 520, ""},
			{"rotation", []string{"KEY057"}, 556, 556, ""},
			{"a page that says nothing of keys is cited", nil, 0, 0, "what stands on a page is not in the text"},
			{"the error is shown without its reason", []string{"KEY101"}, 501, 503, ""},
			{"one right where the role needs more", []string{"KEY101"}, 522, 522, ""},
			{"networks have no part in it", []string{"KEY101"}, 536, 536, ""},
			{"the right to encrypt is given needlessly", nil, 0, 0, "what a right is for the text does not say"},
		},
		"002": {
			{"no Version", []string{"KEY060"}, 38, 64, ""},
			{"nobody may change the policy", []string{"KEY004"}, 38, 64, ""},
			{"the account is not in it", []string{"KEY005"}, 38, 64, ""},
			{"kms:ReEncrypt", []string{"KEY006"}, 49, 49, ""},
			{"and again", []string{"KEY006"}, 83, 83, ""},
			{"everybody of the organization makes grants", []string{"KEY012"}, 51, 51, ""},
			{"and takes those of others", []string{"KEY059"}, 52, 53, ""},
			{"a placeholder", []string{"KEY105"}, 59, 59, ""},
			{"Resources", []string{"KEY008"}, 79, 79, ""},
			{"no CreateGrant for Karpenter", []string{"KEY011"}, 74, 93, ""},
			{"a role that starts nothing", []string{"KEY062"}, 105, 108, ""},
			{"how to make the grants is left out", []string{"KEY036"}, 96, 110, ""},
			{"policies and aliases of each Region", []string{"KEY039"}, 112, 117, ""},
			{"a volume cannot be left out of encryption, but have another key", []string{"KEY003"}, 20, 22, ""},
		},
		"003": {
			{"a role of another name in the policy", []string{"KEY020"}, 0, 0, ""},
			{"encrypted directly", []string{"KEY031"}, 185, 191, ""},
			{"base64 for bytes", []string{"KEY055"}, 186, 198, ""},
			{"an alias for an id", []string{"KEY018"}, 129, 133, ""},
			{"and again", []string{"KEY018"}, 407, 408, ""},
			{"the same right twice", []string{"KEY108"}, 97, 163, ""},
			{"ResourceAliases without a set operator", []string{"KEY026"}, 156, 160, ""},
			{"and again", []string{"KEY026"}, 287, 291, ""},
			{"all Regions", []string{"KEY058"}, 286, 286, ""},
			{"default encryption by alias", []string{"KEY033"}, 223, 223, ""},
			{"no bucket key", []string{"KEY034"}, 217, 226, ""},
			{"no denial of other keys and of requests without TLS", []string{"KEY033"}, 217, 217, ""},
			{"no GenerateDataKey for uploads", []string{"KEY032"}, 274, 307, ""},
			{"Id for ID", []string{"KEY053"}, 239, 244, ""},
			{"and again", []string{"KEY053"}, 251, 251, ""},
			{"Prefix outside of Filter", []string{"KEY053"}, 245, 245, ""},
			{"old versions stay", []string{"KEY109"}, 239, 268, ""},
			{"names that are no actions", []string{"KEY064"}, 334, 336, ""},
			{"no right to tag", []string{"KEY065"}, 317, 326, ""},
			{"the policy of every key", []string{"KEY110"}, 317, 326, ""},
			{"static keys", []string{"KEY105"}, 169, 179, ""},
			{"a policy that is not there", []string{"KEY105"}, 175, 175, ""},
			{"rotation", []string{"KEY057"}, 11, 13, ""},
			{"and again", []string{"KEY057"}, 397, 397, ""},
			{"a key has to be looked after too", []string{"KEY047"}, 13, 19, ""},
			{"the id of a key is no secret", []string{"KEY105"}, 402, 402, ""},
			{"one account and one Region hold all", []string{"KEY039"}, 60, 75, ""},
			{"the trail's bucket lacks its policy", []string{"POL007"}, 413, 417, ""},
			{"a simulator as proof", []string{"KEY056"}, 470, 475, ""},
			{"no encryption context", []string{"KEY111"}, 52, 53, ""},
			{"and again", []string{"KEY111"}, 185, 191, ""},
			{"a key is made again with every run", []string{"KEY106"}, 60, 66, ""},
		},
		"004": {
			{"automated snapshots have to be copied first", []string{"KEY046"}, 31, 37, ""},
			{"kms:Create* hides CreateGrant", []string{"KEY012"}, 57, 82, ""},
			{"the user has to be there", nil, 0, 0, "nothing in the text says otherwise"},
			{"the whole account", []string{"KEY058"}, 83, 97, ""},
			{"an administrator needs nothing more", []string{"KEY050"}, 119, 119, ""},
			{"every key", []string{"KEY058"}, 155, 163, ""},
			{"which key the copy is under", []string{"KEY047"}, 173, 175, ""},
			{"nor in which Region", []string{"KEY045"}, 173, 175, ""},
		},
	}
}

// The articles stand beside the recorded decisions, where those are.
func articles(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("KEYREACH_CORPUS")
	if dir == "" {
		t.Skip("KEYREACH_CORPUS is not set: the articles beside it are not looked at")
	}
	files, err := filepath.Glob(filepath.Join(dir, "..", "*", "00[0-4]_*.txt"))
	if err != nil || len(files) == 0 {
		t.Skipf("no articles beside %s", dir)
	}
	return files
}

func TestTheMistakesOfTheArticlesAreTold(t *testing.T) {
	t.Parallel()
	for _, path := range articles(t) {
		number := filepath.Base(path)[:3]
		t.Run(number, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all := found(t, filepath.Base(path), string(text))
			seen := 0
			for _, m := range mistakes()[number] {
				if (len(m.rules) == 0) == (m.unseen == "") {
					t.Errorf("%s: either rules or why not", m.what)
				}
				for _, rule := range m.rules {
					if !m.isTold(rule, all) {
						t.Errorf("%s (lines %d to %d): %s is not told", m.what, m.from, m.to, rule)
					} else {
						seen++
					}
				}
			}
			var lines []string
			for _, f := range all {
				lines = append(lines, f.String())
			}
			t.Logf("%d told\n%s", seen, strings.Join(lines, "\n"))
		})
	}
}

func (m *told) isTold(rule string, all []rules.Found) bool {
	for _, f := range of(rule, all) {
		if m.from == 0 || m.from <= f.Position.Line && f.Position.Line <= m.to {
			return true
		}
	}
	return false
}
