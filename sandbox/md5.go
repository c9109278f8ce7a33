package sandbox

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"

	"github.com/keyreach/keyreach/sandbox/wire"
)

// contentMD5 checks the digest that a request states of a document.
func contentMD5(r *http.Request, text []byte) error {
	stated := r.Header.Get("Content-Md5")
	if stated == "" {
		return nil
	}
	sum, err := base64.StdEncoding.DecodeString(stated)
	if err != nil || len(sum) != md5.Size {
		return &wire.Error{Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid.", Status: http.StatusBadRequest}
	}
	if md5.Sum(text) != [md5.Size]byte(sum) {
		return &wire.Error{Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received.", Status: http.StatusBadRequest}
	}
	return nil
}
