package live

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The body that reaches the transport cannot be written by itself, has all that it had, and
// can be sent again.
func TestTheBodyOfACallCanOnlyBeRead(t *testing.T) {
	t.Parallel()
	stack := middleware.NewStack("test", func() any { return smithyhttp.NewStackRequest() })
	if err := steady(stack); err != nil {
		t.Fatal(err)
	}
	r, err := smithyhttp.NewStackRequest().(*smithyhttp.Request).SetStream(strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	var sent *smithyhttp.Request
	_, _, err = stack.Finalize.HandleMiddleware(t.Context(), r, middleware.HandlerFunc(func(_ context.Context, in any) (any, middleware.Metadata, error) {
		sent = in.(*smithyhttp.Request)
		return nil, middleware.Metadata{}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := sent.GetStream().(io.WriterTo); ok {
		t.Error("the body writes itself")
	}
	for range 2 {
		if text, err := io.ReadAll(sent.GetStream()); err != nil || string(text) != "the body" {
			t.Errorf("the body is %q, %v", text, err)
		}
		if err := sent.RewindStream(); err != nil {
			t.Fatal(err)
		}
	}
}
