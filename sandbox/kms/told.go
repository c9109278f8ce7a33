package kms

import (
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"
)

// told is the key of what an answer carries for CloudTrail alone: its metadata, which
// no protocol writes.
type told string

// Names of what CloudTrail is told. See
// https://docs.aws.amazon.com/kms/latest/developerguide/ct-encrypt.html and
// https://docs.aws.amazon.com/kms/latest/developerguide/ct-retire-grant.html.
const (
	materialUsed = told("keyMaterialId")
	grantRetired = told("grantId")
)

// Additional is what CloudTrail tells of a call besides its request and answer, nil for
// nothing.
func Additional(out any) map[string]any {
	var m middleware.Metadata
	name := materialUsed
	switch out := out.(type) {
	case *kms.EncryptOutput:
		m = out.ResultMetadata
	case *kms.RetireGrantOutput:
		m, name = out.ResultMetadata, grantRetired
	}
	if id := m.Get(name); id != nil {
		return map[string]any{string(name): id}
	}
	return nil
}
