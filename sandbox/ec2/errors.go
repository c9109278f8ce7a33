package ec2

import (
	"net/http"

	"github.com/keyreach/keyreach/sandbox/wire"
)

// refuse is a refusal with EC2's usual status.
func refuse(code, text string) error {
	return &wire.Error{Code: code, Message: text, Status: http.StatusBadRequest}
}

func invalidValue(text string) error { return refuse("InvalidParameterValue", text) }

// notPermitted refuses what is allowed but for the state of things.
func notPermitted(text string) error { return refuse("OperationNotPermitted", text) }

// dry answers a dry run that was authorized. Recorded.
func dry(flag *bool) error {
	if flag == nil || !*flag {
		return nil
	}
	return &wire.Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: http.StatusPreconditionFailed}
}
