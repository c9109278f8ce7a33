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

// notOffered refuses what the sandbox does not have.
func notOffered(what string) error {
	return &wire.Error{Code: "NotImplemented", Message: "The sandbox has no " + what + ".", Status: http.StatusNotImplemented}
}

// otherToken refuses a client token that was used for another request.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html.
func otherToken() error {
	return refuse("IdempotentParameterMismatch", "The client token you have provided is associated with a resource that already exists but the request parameters are different.") // assumed text
}
