package wire

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
)

// wantsJSON reports whether a query service is asked to answer JSON, as what checks
// the identities of a Kubernetes cluster asks STS
// (https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go).
func (c *Codec) wantsJSON(r *http.Request) bool {
	return c.api.Protocol == "query" && r != nil && strings.Contains(r.Header.Get("Accept"), "application/json")
}

// queryJSON writes the answer of a query service in JSON.
func (c *Codec) queryJSON(op *awsfacts.APIOperation, v reflect.Value, requestID string) []byte {
	b := append([]byte{}, `{"`+op.Name+`Response":{`...)
	if op.Output != nil && op.Wrapper != "" {
		b = append(b, `"`+op.Wrapper+`":`...)
		b = append(c.appendJSON(b, op.Output, v), ',')
	}
	b = append(b, `"ResponseMetadata":{"RequestId":`...)
	return append(appendQuoted(b, requestID), "}}}"...)
}

func queryJSONError(e Error, requestID string) []byte {
	b := append([]byte{}, `{"Error":{"Code":`...)
	b = append(appendQuoted(b, e.Code), `,"Message":`...)
	b = append(appendQuoted(b, e.Message), `,"Type":"`+e.whose()+`"},"RequestId":`...)
	return append(appendQuoted(b, requestID), '}')
}
