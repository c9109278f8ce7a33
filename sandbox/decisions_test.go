package sandbox_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// why asks for the decision of a call that was refused.
func (w *world) why(err error) (out struct {
	Operation, Refused, Missing, Why string
	Decisions                        []struct {
		Principal, Action, Decision string
		BlockedBy                   []string `json:"blocked_by"`
		Blockers                    []struct{ Text string }
	}
}) {
	w.Helper()
	var e *awshttp.ResponseError
	if !errors.As(err, &e) {
		w.Fatalf("no request id in %v", err)
	}
	res := need(w.Client().Get(w.URL + "/_keyreach/decisions/" + e.RequestID))(w)
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		w.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return out
}

func TestTheDecisionOfEveryCallCanBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	r := w.role(owner, "r", "", "")
	out := w.why(w.decrypt(w.session(owner, r.arn, "mine", ""), key))
	if out.Operation != "kms:Decrypt" || !strings.HasSuffix(out.Refused, noIdentity) || len(out.Decisions) != 1 {
		t.Fatalf("the decision is %+v", out)
	}
	d := out.Decisions[0]
	if d.Decision != "ImplicitDeny" || len(d.BlockedBy) != 1 || d.BlockedBy[0] != "identity" || len(d.Blockers) != 1 || d.Principal != sessionARN(owner, "r", "mine") {
		t.Errorf("the decision is %+v", d)
	}

	gone := strings.Replace(key, key[len(key)-12:], "000000000000", 1)
	_, err := w.kmsOf(w.root(consumer)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &gone})
	if out := w.why(err); out.Missing != gone {
		t.Errorf("of a foreign key that does not exist: %+v", out)
	}
	_, err = w.kmsOf(w.root(owner)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &gone})
	if out := w.why(err); !strings.Contains(out.Refused, "does not exist") {
		t.Errorf("of a key of one's own that does not exist: %+v", out)
	}
	_, err = iam.NewFromConfig(w.root(owner)).AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: &r.name, PolicyArn: new("arn:aws:iam::aws:policy/NotHere")})
	if out := w.why(err); !strings.Contains(out.Why, "ListPolicies with the scope AWS") {
		t.Errorf("of a policy of AWS's that is not here: %+v", out)
	}
	res := need(w.Client().Get(w.URL + "/_keyreach/decisions/none"))(t)
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("of a call that was not: status %d", res.StatusCode)
	}
}
