package wire_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox/wire"
)

// The texts are AWS's, as its answers have them. That a value of kilobytes is cut
// is ours.
func TestARequestThatBreaksConstraintsGetsAWSsText(t *testing.T) {
	t.Parallel()
	const key = "1234abcd-12ab-34cd-56ef-1234567890ab"
	long := strings.Repeat("x", 8193)
	tests := []struct {
		name, operation, body, want string
		into                        any
	}{
		{"a member that is missing", "DescribeKey", `{}`,
			"1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null", &kms.DescribeKeyInput{}},
		{"a member that is null", "DescribeKey", `{"KeyId":null}`,
			"1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null", &kms.DescribeKeyInput{}},
		{"a text that is too short", "DescribeKey", `{"KeyId":""}`,
			"1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1", &kms.DescribeKeyInput{}},
		{"a text that is too long", "UpdateKeyDescription", `{"KeyId":"` + key + `","Description":"` + long + `"}`,
			"1 validation error detected: Value '" + long[:2048] + "...' at 'description' failed to satisfy constraint: Member must have length less than or equal to 8192", &kms.UpdateKeyDescriptionInput{}},
		{"a text of another form", "CreateAlias", `{"TargetKeyId":"` + key + `","AliasName":"alias/a b"}`,
			"1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", &kms.CreateAliasInput{}},
		{"a value that is not in the set", "Sign", `{"KeyId":"` + key + `","Message":"YQ==","SigningAlgorithm":"RSASSA_PSS_SHA_256","MessageType":"NONE"}`,
			"1 validation error detected: Value 'NONE' at 'messageType' failed to satisfy constraint: Member must satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]", &kms.SignInput{}},
		{"a number that is too small", "ListKeys", `{"Limit":0}`,
			"1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", &kms.ListKeysInput{}},
		{"a number that is too large", "ListKeys", `{"Limit":1001}`,
			"1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000", &kms.ListKeysInput{}},
		{"bytes, which nobody should see again", "Encrypt", `{"KeyId":"` + key + `","Plaintext":""}`,
			"1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1", &kms.EncryptInput{}},
		{"a member of a structure in a list", "TagResource", `{"KeyId":"` + key + `","Tags":[{"TagKey":"a","TagValue":"b"},{"TagKey":"","TagValue":"b"}]}`,
			"1 validation error detected: Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1", &kms.TagResourceInput{}},
		{"several at once", "Sign", `{"KeyId":"","Message":"YQ==","MessageType":"NONE"}`,
			"3 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value 'NONE' at 'messageType' failed to satisfy constraint: Member must satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]; " +
				"Value null at 'signingAlgorithm' failed to satisfy constraint: Member must not be null", &kms.SignInput{}},
	}
	codec := codecOf(t, "kms")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := codec.Decode(codec.API().Operation(tt.operation), httptest.NewRequest("POST", "/", nil), []byte(tt.body), tt.into)
			var e *wire.Error
			if !errors.As(err, &e) || e.Code != "ValidationException" || e.Status != 400 || e.Message != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
			// What is wrong is read all the same by one who asks for no constraints.
			if err := codec.Fill(codec.API().Operation(tt.operation), httptest.NewRequest("POST", "/", nil), []byte(tt.body), tt.into); err != nil {
				t.Errorf("Fill: %v", err)
			}
		})
	}
}

func TestTheQueryServicesCallItAValidationError(t *testing.T) {
	t.Parallel()
	codec := codecOf(t, "iam")
	form := url.Values{"Action": {"GetRole"}, "RoleName": {"a b"}}.Encode()
	err := codec.Decode(codec.API().Operation("GetRole"), httptest.NewRequest("POST", "/", nil), []byte(form), &iam.GetRoleInput{})
	var e *wire.Error
	want := "1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+"
	if !errors.As(err, &e) || e.Code != "ValidationError" || e.Message != want {
		t.Errorf("%v", err)
	}
}
