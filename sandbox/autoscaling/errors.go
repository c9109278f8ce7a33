package autoscaling

import (
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func invalid(text string) error { return wire.Refuse("ValidationError", text) }

// noGroup is the text that clients look for.
func noGroup(name string) error {
	return invalid("AutoScalingGroup name not found - AutoScalingGroup " + name + " not found")
}

func noInstance(id string) error {
	return invalid("Instance Id not found - No managed instance found for instance ID: " + id)
}

// badToken refuses a paging token.
func badToken() error {
	return wire.Refuse("InvalidNextToken", "The token is not one of this operation's.") // assumed text
}

// denied refuses somebody who lacks a right that another service asks for.
func denied(text string) error {
	return &wire.Error{Code: "AccessDenied", Message: text, Status: http.StatusForbidden}
}

// noRole tells that the service-linked role could not be made, as users report it.
func noRole(err error) error {
	if d := (*gate.Denied)(nil); errors.As(err, &d) {
		return denied("The default Service-Linked Role for Auto Scaling could not be created. com.amazonaws.services.identitymanagement.model.AmazonIdentityManagementException: " + d.Text)
	}
	return err
}

// textOf is EC2's text of a refusal, as the activities of a group repeat it.
func textOf(err error) string {
	_, text := behalf.EC2Refusal(err)
	return text
}

// codeOf is the code of a refusal, empty for none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	code, _ := behalf.EC2Refusal(err)
	return code
}

// page cuts a page, or refuses the token.
func page[T any](list []T, token *string, limit *int32, plain int) ([]T, *string, error) {
	if aws.ToInt32(limit) <= 0 {
		limit = nil
	}
	out, next, ok := gate.Page(list, token, limit, plain)
	if !ok {
		return nil, nil, badToken()
	}
	return out, next, nil
}
