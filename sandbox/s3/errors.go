package s3

import (
	"errors"
	"net/http"
	"strings"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// The codes and texts of S3's refusals stand at
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.

func refuse(status int, code, text string) *wire.Error {
	return &wire.Error{Code: code, Message: text, Status: status}
}

func bad(code, text string) *wire.Error { return refuse(http.StatusBadRequest, code, text) }

func (s *Service) noBucket(name string) *wire.Error {
	e := refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	e.Fields = map[string]string{"BucketName": name}
	return e
}

func noKey(key string) *wire.Error {
	e := refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	e.Fields = map[string]string{"Key": key}
	return e
}

// noVersion refuses a version that there is not, and otherwise what cannot be the id of
// one, as users report it.
func noVersion(key, version string) *wire.Error {
	if !isVersion(version) {
		return argument("versionId", version, "Invalid version id specified")
	}
	e := refuse(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
	e.Fields = map[string]string{"Key": key, "VersionId": version}
	return e
}

// isVersion reports whether a text has the form of a version's id.
func isVersion(id string) bool {
	return id == null || len(id) == 32 && !strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune(versionLetters, r) })
}

// argument refuses a parameter of a request, which S3 names with its value.
func argument(name, v, text string) *wire.Error {
	e := bad("InvalidArgument", text)
	e.Fields = map[string]string{"ArgumentName": name, "ArgumentValue": v}
	return e
}

func noUpload(id string) *wire.Error {
	e := refuse(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	e.Fields = map[string]string{"UploadId": id}
	return e
}

func denied() *wire.Error { return refuse(http.StatusForbidden, "AccessDenied", "Access Denied") }

func notImplemented(what string) *wire.Error {
	return refuse(http.StatusNotImplemented, "NotImplemented", "Keyreach's sandbox does not offer "+what+"; docs/sandbox.md says what it offers")
}

func precondition(which string) *wire.Error {
	e := refuse(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	e.Fields = map[string]string{"Condition": which}
	return e
}

// fromKMS words a key that could not be used: KMS's own text, its codes with KMS
// before them, and status 400, as recorded.
func fromKMS(err error) error {
	var refused *behalf.Refused
	if !errors.As(err, &refused) {
		return err
	}
	var no *gate.Denied
	if errors.As(err, &no) {
		return no
	}
	var e *wire.Error
	if errors.As(err, &e) {
		return bad("KMS."+e.Code, e.Message)
	}
	return err
}
