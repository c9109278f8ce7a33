package wire

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
)

// told are the refusals that S3 has for values outside a document, by the name of the
// header or parameter. The texts are as users report them.
var told = map[string]Error{
	"x-amz-server-side-encryption": {Message: "The encryption method specified is not supported"},
	"x-amz-copy-source":            {Message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"},
	"x-amz-metadata-directive":     {Message: "Unknown metadata directive."},
	"x-amz-tagging-directive":      {Message: "Unknown tagging directive."},
	"x-amz-storage-class":          {Code: "InvalidStorageClass", Message: "The storage class you specified is not valid"},
	"encoding-type":                {Message: "Invalid Encoding Method specified in Request"},
}

// outOfSet is the refusal by S3 of a request that breaks a constraint: what stands in a
// document makes the document invalid, and what stands elsewhere is named with its value.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func (c *Codec) outOfSet(s *awsfacts.Shape, tree map[string]any) error {
	for _, m := range s.Members {
		var v violations
		v.structure(&awsfacts.Shape{Type: "structure", Members: []*awsfacts.Member{m}}, tree, "")
		if len(v) == 0 {
			continue
		}
		if m.Location == "" {
			if strings.Contains(v[0], "at 'createBucketConfiguration.locationConstraint'") {
				return &Error{Code: "InvalidLocationConstraint", Message: "The specified location-constraint is not valid", Status: http.StatusBadRequest}
			}
			return malformed(v[0])
		}
		e := Error{Message: v[0]} // assumed text
		if known, ok := told[m.Wire()]; ok {
			e = known
		}
		if e.Status = http.StatusBadRequest; e.Code == "" {
			e.Code = "InvalidArgument"
			e.Fields = map[string]string{"ArgumentName": m.Wire(), "ArgumentValue": shown(m.Shape, tree[m.Name])}
		}
		return &e
	}
	return malformed("a constraint is broken")
}

// shown is a value as a refusal repeats it.
func shown(s *awsfacts.Shape, v any) string {
	if v == nil || s.Sensitive {
		return ""
	}
	text := fmt.Sprint(v)
	return text[:min(len(text), maxShown)]
}
