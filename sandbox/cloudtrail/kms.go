package cloudtrail

import (
	"maps"
	"slices"
	"strings"
)

// filledIn are the parameters that KMS records with their defaults where a request
// has none. For Decrypt AWS says so, for CreateKey its example shows it; for the
// others, whose examples have the parameters too, it is assumed.
// See https://docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html,
// ct-createkey.html, ct-encrypt.html, ct-reencrypt.html, ct-put-key-policy.html and
// ct-replicate-key.html beside it.
var filledIn = map[string]map[string]any{
	"Decrypt":      {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
	"Encrypt":      {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
	"ReEncrypt":    {"sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT", "destinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
	"CreateKey":    {"description": "", "origin": "AWS_KMS", "keyUsage": "ENCRYPT_DECRYPT", "bypassPolicyLockoutSafetyCheck": false},
	"PutKeyPolicy": {"policyName": "default", "bypassPolicyLockoutSafetyCheck": false},
	"ReplicateKey": {"description": "", "bypassPolicyLockoutSafetyCheck": false},
}

// tellsKey are the operations whose records have the ARN of the key among the response
// elements though the answer has none. RevokeGrant, RetireGrant, PutKeyPolicy,
// TagResource, DisableKeyRotation and UpdateKeyDescription have no response elements in
// AWS's examples.
// See https://docs.aws.amazon.com/kms/latest/developerguide/ct-enablekey.html and the
// pages of the others beside it.
var tellsKey = []string{
	"CreateAlias", "CreateGrant", "DeleteAlias", "DisableKey", "EnableKey", "EnableKeyRotation", "ImportKeyMaterial",
	"UntagResource", "UpdateAlias", "UpdatePrimaryRegion",
}

// completeKMS makes of what a call to KMS asked and answered what KMS records.
func (e *Entry) completeKMS(d *Described) {
	name := e.Call.Operation
	if request := membersOf(d.Request); e.In != nil {
		complete := maps.Clone(filledIn[name])
		if complete == nil {
			complete = map[string]any{}
		}
		maps.Copy(complete, request)
		if name == "CreateKey" {
			bothSpecs(complete)
		}
		// A grant token is a secret. That RetireGrant's is left out is assumed: AWS's
		// example has no parameters at all.
		delete(complete, "grantToken")
		d.Request = orNothing(complete)
	}
	if e.Err != nil {
		return
	}
	response := maps.Clone(membersOf(d.Response))
	d.Additional = e.withMaterials(d.Additional, response)
	if key := e.key(); key != "" && slices.Contains(tellsKey, name) {
		if response == nil {
			response = map[string]any{}
		}
		response["keyId"] = key
	}
	// AWS's example of CreateGrant has the grant's id and no token.
	// See https://docs.aws.amazon.com/kms/latest/developerguide/ct-creategrant.html.
	delete(response, "grantToken")
	d.Response = orNothing(response)
}

// bothSpecs records a key's spec under its new and its old name, as AWS does.
// See https://docs.aws.amazon.com/kms/latest/developerguide/ct-createkey.html.
func bothSpecs(request map[string]any) {
	const now, before = "keySpec", "customerMasterKeySpec"
	spec := any("SYMMETRIC_DEFAULT")
	for _, name := range []string{before, now} {
		if given, ok := request[name]; ok {
			spec = given
		}
	}
	request[now], request[before] = spec, spec
}

// withMaterials adds the ids of the key material that a cryptographic operation used:
// these only read, imports answer with such an id too.
// See https://docs.aws.amazon.com/kms/latest/developerguide/ct-generatedatakey.html and
// https://docs.aws.amazon.com/kms/latest/developerguide/ct-reencrypt.html.
func (e *Entry) withMaterials(additional, response map[string]any) map[string]any {
	if !e.ReadOnly {
		return additional
	}
	all := maps.Clone(additional)
	for _, name := range []string{"keyMaterialId", "sourceKeyMaterialId", "destinationKeyMaterialId"} {
		if id, ok := response[name]; ok {
			if all == nil {
				all = map[string]any{}
			}
			all[name] = id
		}
	}
	return all
}

// key is the ARN of the key that the call was about, the first of several.
func (e *Entry) key() string {
	for _, r := range e.Call.Resources {
		if strings.Contains(r.ARN, ":key/") {
			return r.ARN
		}
	}
	return ""
}

func membersOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// orNothing is null for no members.
func orNothing(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}
