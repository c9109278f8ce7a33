package live

import (
	"fmt"
	"testing"
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
