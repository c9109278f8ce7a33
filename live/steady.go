package live

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// steady keeps a connection while its answer is read.
//
// net/http writes a body of known length and then reads on to see that nothing follows.
// By then the server may have answered. The SDK closes the body as soon as there is an
// answer, and its body (safeWriteToReadCloser of smithy-go 1.28) ends every WriteTo after
// that with io.EOF, which io.Copy takes for a failure. To net/http the request could not
// be written then, so it closes the connection under who reads the answer: "use of closed
// network connection". A body without WriteTo is only read, and read to its end.
func steady(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("keyreach:steady", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		r, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return next.HandleFinalize(ctx, in)
		}
		if s, ok := r.GetStream().(io.ReadSeeker); ok {
			steadied, err := r.SetStream(struct{ io.ReadSeeker }{s})
			if err != nil {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("preparing the body of a call: %w", err)
			}
			in.Request = steadied
		}
		return next.HandleFinalize(ctx, in)
	}), middleware.After)
}
