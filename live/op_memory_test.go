package live

import (
	"errors"
	"fmt"
	"testing"

	"github.com/keyreach/keyreach/cloud"
)

func TestTheNewestGrantTokensAreKept(t *testing.T) {
	t.Parallel()
	var m opMemory
	if got := m.tokensOf("key"); len(got) != 0 {
		t.Errorf("nothing has the tokens %v", got)
	}
	for i := range 12 {
		m.addToken("key", fmt.Sprint(i))
	}
	m.addToken("other", "x")
	if got := m.tokensOf("key"); len(got) != maxTokens || got[0] != "2" || got[maxTokens-1] != "11" {
		t.Errorf("the tokens are %v", got)
	}
	m.tokensOf("key")[0] = "mine"
	if got := m.tokensOf("key"); got[0] != "2" {
		t.Errorf("who is given the tokens may change them: %v", got)
	}
}

func TestTheTokenOfAGrantThatHasEndedStopsNothing(t *testing.T) {
	t.Parallel()
	ended := &cloud.Error{Kind: cloud.Invalid, Code: "InvalidGrantTokenException", Err: errors.New("ended")}
	denied := &cloud.Error{Kind: cloud.Denied, Code: "AccessDeniedException", Err: errors.New("denied")}
	for _, tt := range []struct {
		name        string
		with, want  error // of the call with a token, and in the end
		calls, left int
	}{
		{"a grant that is there", nil, nil, 1, 1},
		{"a grant that has ended", ended, nil, 2, 0},
		{"another failure", denied, denied, 1, 1},
	} {
		var m opMemory
		m.addToken("key", "token")
		calls := 0
		err := m.withTokens("key", func(tokens []string) error {
			calls++
			if len(tokens) > 0 {
				return tt.with
			}
			return nil
		})
		if left := len(m.tokensOf("key")); err != tt.want || calls != tt.calls || left != tt.left {
			t.Errorf("%s: %d calls, %d tokens left, %v", tt.name, calls, left, err)
		}
	}
	calls := 0
	var none opMemory
	if err := none.withTokens("key", func([]string) error { calls++; return ended }); err != ended || calls != 1 {
		t.Errorf("without tokens: %d calls, %v", calls, err)
	}
}
