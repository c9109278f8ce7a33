package policy

import (
	"strings"
	"testing"
)

// The spellings are those counted in public repositories.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, blanked string }{
		{"arn:aws:kms:${region}:${account}:key/*", "arn:aws:kms:_:_:key/*"},
		{"arn:aws:iam::${var.account_id}:root", "arn:aws:iam::_:root"},
		{"arn:${AWS::Partition}:iam::${AWS::AccountId}:root", "arn:_:iam::_:root"},
		{"arn:aws:iam::#{AWS::AccountId}:role/operator", "arn:aws:iam::_:role/operator"},
		{"arn:aws:iam::<ACCOUNT ID>:root", "arn:aws:iam::_:root"},
		{"arn:aws:iam::{{ account }}:role/{{role}}", "arn:aws:iam::_:role/_"},
		{"arn:aws:iam::{account_id}:root", "arn:aws:iam::_:root"},
		{"arn:aws:iam::$ACCOUNT:root", "arn:aws:iam::_:root"},
		{"$org_id", "_"},
		{"arn:aws:iam::ACCOUNT_ID:root", "arn:aws:iam::_:root"},
		{"arn:aws:iam::ACCOUNT-ID:root", "arn:aws:iam::_:root"},
		{"arn:aws:iam::AccountId:root", "arn:aws:iam::_:root"},
		{"arn:aws:iam::YOUR_ACCOUNT_ID:root", "arn:aws:iam::_:root"},
		{"arn:aws:kms:REGION_HERE:ACCOUNT_NUMBER_HERE:key/*", "arn:aws:kms:_:_:key/*"},
		{"arn:aws:kms:REGION:ACCOUNT_ID:key/KEY_ID", "arn:aws:kms:_:_:key/_"},
		{"arn:aws:iam::TARGET-ACCOUNT-ID:role/Recovery", "arn:aws:iam::_:role/Recovery"},
		{"arn:aws:iam::your-account-id:root", "arn:aws:iam::_:root"},
		{"arn:aws:iam::xxxxxxxxxxxx:root", "arn:aws:iam::_:root"},
		{"ec2.REGION.amazonaws.com", "ec2._.amazonaws.com"},
		{"ec2.${AWS_REGION}.amazonaws.com", "ec2._.amazonaws.com"},
		{"ACCOUNT", "_"},
		// What is itself.
		{"", ""},
		{"*", "*"},
		{"kms:ReEncrypt*", "kms:ReEncrypt*"},
		{"apigateway:GET", "apigateway:GET"},
		{"SYMMETRIC_DEFAULT", "SYMMETRIC_DEFAULT"},
		{"ENCRYPT_DECRYPT", "ENCRYPT_DECRYPT"},
		{"RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_256"},
		{"AWS_KMS", "AWS_KMS"},
		{"AROAJQABLZS4A3QDU576Q", "AROAJQABLZS4A3QDU576Q"},
		{"arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess"},
		{"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1", "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"},
		{"arn:aws:iam::111122223333:role/DB_ADMIN", "arn:aws:iam::111122223333:role/DB_ADMIN"},
		{"arn:aws:iam::111122223333:role/service-role/DRSStagingAccountRole_444455556666", "arn:aws:iam::111122223333:role/service-role/DRSStagingAccountRole_444455556666"},
		{"arn:aws:s3:::bucket/${aws:username}/*", "arn:aws:s3:::bucket/${aws:username}/*"},
		{"${aws:PrincipalTag/team, 'none'}", "${aws:PrincipalTag/team, 'none'}"},
		{"${cognito-identity.amazonaws.com:sub}", "${cognito-identity.amazonaws.com:sub}"},
		{"a${*}b${?}c${$}", "a${*}b${?}c${$}"},
		{"arn:aws:lambda:us-east-1:111122223333:function:f:$LATEST", "arn:aws:lambda:us-east-1:111122223333:function:f:$LATEST"},
		{"arn:aws:iot:us-east-1:111122223333:topic/$aws/things/*", "arn:aws:iot:us-east-1:111122223333:topic/$aws/things/*"},
		{"a<b", "a<b"},
		{"1 < 2 > 0", "1 < 2 > 0"},
		{"$", "$"},
		{"${", "${"},
		{"{}", "{}"},
		{"xx", "xx"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := strings.ReplaceAll(blank(tt.text), string(anyRun), "_"); got != tt.blanked {
				t.Errorf("left open: %q, want %q", got, tt.blanked)
			}
			if got, want := hasPlaceholder(tt.text), tt.text != tt.blanked; got != want {
				t.Errorf("hasPlaceholder = %v, want %v", got, want)
			}
		})
	}
}

func FuzzPlaceholders(f *testing.F) {
	for _, s := range []string{"${a}", "<x>{{y}}$Z", "arn:aws:iam::AccountId:root", "arn:aws:iam::${x}y:root", "{a}{", "ACCOUNT_ID-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, span := range placeholderSpans(text) {
			if span[0] < end || span[1] <= span[0] || span[1] > len(text) {
				t.Fatalf("the spans %v of %q are not in order and apart", placeholderSpans(text), text)
			}
			end = span[1]
		}
		if hasPlaceholder(text) != (end > 0) {
			t.Fatalf("hasPlaceholder(%q) = %v with %d bytes spanned", text, end == 0, end)
		}
	})
}
