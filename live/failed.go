package live

import (
	"context"
	"errors"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/cloud"
)

// failed says how a call failed. A cancelled context stays what it is.
func (c *Cloud) failed(err error, operation, account, region string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var done *cloud.Error
	if errors.As(err, &done) {
		return err
	}
	e := &cloud.Error{Kind: cloud.Lost, Operation: operation, Account: account, Region: region, Err: err}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		e.RequestID = response.ServiceRequestID()
	}
	var api smithy.APIError
	var signing interface{ CredentialsError() bool }
	switch {
	case errors.As(err, &api):
		e.Code = api.ErrorCode()
		e.Kind = kindOf(api.ErrorCode(), api.ErrorMessage(), response)
		e.Err = &said{api.ErrorCode(), quiet(api.ErrorMessage()), err}
	case errors.As(err, &signing), strings.Contains(err.Error(), "failed to refresh cached credentials"), strings.Contains(err.Error(), "failed to retrieve credentials"):
		e.Kind = cloud.Credentials
	}
	return e
}

// quiet is AWS's text without the request that it repeats when a signature is wrong: the
// token of the session is in that. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html.
func quiet(text string) string {
	if at := strings.Index(text, "Canonical String"); at >= 0 {
		text = text[:max(strings.LastIndexByte(text[:at], '\n'), 0)]
	}
	for _, header := range []string{"x-amz-security-token:", "authorization="} {
		if at := strings.Index(strings.ToLower(text), header); at >= 0 {
			text = text[:at]
		}
	}
	return strings.TrimSpace(text)
}

// said is AWS's answer without the SDK's words around it.
type said struct {
	code, text string
	err        error
}

func (s *said) Error() string {
	return strings.TrimSuffix(s.code+": "+s.text, ": ") // an answer to HEAD has no text
}

func (s *said) Unwrap() error { return s.err }

// kindOf sorts AWS's codes. See
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and
// https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html.
func kindOf(code, text string, response *awshttp.ResponseError) cloud.Kind {
	plain := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(code, "Exception"), "Fault"), "KMS.") // S3 says whose error it is
	switch plain {
	case "AccessDenied", "UnauthorizedOperation", "AuthFailure", "NotAuthorized", "Forbidden", "AllAccessDisabled", "KMSKeyNotAccessible":
		return cloud.Denied
	case "ExpiredToken", "RequestExpired", "TokenRefreshRequired":
		return cloud.Expired
	case "InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken", "InvalidToken", "RequestTimeTooSkewed":
		return cloud.Credentials
	case "Throttling", "ThrottlingException", "Throttled", "RequestLimitExceeded", "TooManyRequests", "SlowDown", "RequestThrottled", "SnapshotCreationPerVolumeRateExceeded":
		return cloud.Throttled
	case "MalformedPolicyDocument", "MalformedPolicy", "InvalidParameterValue":
		if strings.Contains(strings.ToLower(text), "invalid principal") {
			return cloud.UnknownPrincipal
		}
		return cloud.Invalid
	case "InvalidArn":
		return cloud.UnknownPrincipal // of a grantee that is not seen yet
	case "AlreadyExists", "EntityAlreadyExists", "ResourceAlreadyExists", "BucketAlreadyOwnedByYou", "DBSnapshotAlreadyExists", "DBClusterSnapshotAlreadyExists", "DBInstanceAlreadyExists", "DBClusterAlreadyExists":
		return cloud.Exists
	case "KMSInvalidState", "Disabled", "DependencyViolation", "IncorrectState", "Conflict", "ConcurrentModification", "InvalidDBSnapshotState", "InvalidDBClusterSnapshotState", "InvalidDBInstanceState", "InvalidDBClusterState",
		"ConditionalRequestConflict", "OperationAborted", "VolumeInUse", "InvalidSnapshot.InUse", "IncorrectInstanceState", "ResourceInUse", "ScalingActivityInProgress":
		return cloud.State
	}
	if strings.Contains(plain, "AlreadyExists") || strings.HasSuffix(plain, ".Duplicate") || plain == "PreconditionFailed" {
		return cloud.Exists // names of launch templates, of images, and of objects
	}
	if plain == "InsufficientInstanceCapacity" {
		return cloud.Unavailable
	}
	if strings.Contains(plain, "NotFound") || strings.HasPrefix(plain, "NoSuch") || plain == "NoSuchEntity" {
		return cloud.NotFound
	}
	if response != nil && response.HTTPStatusCode() >= 500 {
		return cloud.Unavailable
	}
	return cloud.Invalid
}
