package organizations

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

func malformed() error {
	return refuse("MalformedPolicyDocumentException", "The provided policy document does not meet the requirements of the specified policy type.")
}

// checkContent refuses a policy that AWS does not take as one of its type, and
// returns it as AWS stores it.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html
// and https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html.
func checkContent(t types.PolicyType, content string) (string, error) {
	if len(content) > maxPolicySize {
		return "", constraint("POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the maximum policy size of 5120 characters.")
	}
	d, err := gate.ReadPolicy("policy", content, false)
	if err != nil || len(d.Statements) == 0 {
		return "", malformed()
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		if t == types.PolicyTypeServiceControlPolicy && (s.Principal != nil || s.NotPrincipal != nil) ||
			t == types.PolicyTypeResourceControlPolicy && !denies(s) {
			return "", malformed()
		}
	}
	return versioned(content), nil
}

// denies reports whether a statement is one that AWS takes in a resource control
// policy. Recorded: it denies named actions of services that such policies cover,
// to everybody.
func denies(s *policy.Statement) bool {
	if s.Effect == nil || s.Effect.Text != "Deny" || s.Action == nil || s.NotPrincipal != nil || s.Principal == nil || !everybody(s.Principal) {
		return false
	}
	for _, action := range s.Action.Values {
		service, name, _ := strings.Cut(action.Text, ":")
		if name == "" || !awsfacts.RCPService(service) {
			return false
		}
	}
	return true
}

// everybody reports whether a principal is "*" or {"AWS": "*"}.
func everybody(p *policy.PrincipalElement) bool {
	if p.Text != nil {
		return p.Text.Text == "*"
	}
	return len(p.Groups) == 1 && p.Groups[0].Type == "AWS" && len(p.Groups[0].Names.Values) == 1 && p.Groups[0].Names.Values[0].Text == "*"
}

// versioned gives a policy without a version the one that it has then. Recorded.
func versioned(content string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(content), &members); err != nil || members["Version"] != nil {
		return content
	}
	return strings.Replace(content, "{", `{"Version":"2008-10-17",`, 1)
}
