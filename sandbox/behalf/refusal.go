package behalf

import (
	"errors"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// EC2Refusal is the code and the text with which EC2 refused a call that a service made,
// as services repeat them: on the wire EC2 adds an encoded message. The code is
// InternalError for what is no refusal.
func EC2Refusal(err error) (code, text string) {
	var denied *gate.Denied
	var own *wire.Error
	switch {
	case errors.As(err, &denied):
		return "UnauthorizedOperation", "You are not authorized to perform this operation. " + denied.Text
	case errors.As(err, &own):
		return own.Code, own.Message
	}
	return "InternalError", err.Error()
}
