package diagnose_test

import (
	"slices"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/diagnose"
)

const (
	key     = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	foreign = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	caller  = "arn:aws:sts::111122223333:assumed-role/orders/worker"
	refused = "User: " + caller + " is not authorized to perform: kms:Decrypt on resource: " + key
)

// Each text has the cause first that AWS's behaviour makes likeliest.
func TestFirstCause(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ says, text, cause string }{
		{"IAM is named", refused + " because no identity-based policy allows the kms:Decrypt action", "iam-policy-missing-action"},
		{"the key policy is named", refused + " because no resource-based policy allows the kms:Decrypt action", "key-policy-missing-principal"},
		{"the layer is cut off", refused + " because no identity-b", "iam-policy-missing-action"},
		{"a control policy denies", refused + " with an explicit deny in a service control policy", "scp-deny"},
		{"a resource control policy denies", refused + " with an explicit deny in a resource control policy", "rcp-deny"},
		{"an endpoint leaves it out", refused + " because no VPC endpoint policy allows the kms:Decrypt action", "vpce-deny"},
		{"a boundary leaves it out", refused + " because no permissions boundary allows the kms:Decrypt action", "boundary-deny"},
		{"a session policy leaves it out", refused + " because no session policy allows the kms:Decrypt action", "session-policy-deny"},
		{"the key policy denies", refused + " with an explicit deny in a resource-based policy", "explicit-deny"},
		{"the reason is withheld", "User: " + caller + " is not authorized to perform: kms:Decrypt on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access", "cross-account-key-access"},
		{"an action on no key", "User: " + caller + " is not authorized to perform: kms:CreateKey", "iam-policy-missing-action"},
		{"a service-linked role", "User: arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling is not authorized to perform: kms:CreateGrant on resource: " + key + " because no resource-based policy allows the kms:CreateGrant action", "slr-missing-key-access"},
		{"a pod with its node's role", "external-secrets: User: arn:aws:sts::111122223333:assumed-role/shop-eks-node-group/i-0abc12345678 is not authorized to perform: kms:Decrypt on resource: " + key + " because no identity-based policy allows the kms:Decrypt action", "wrong-credentials"},
		{"an enclave without attestation", "enclave: " + refused + " because no resource-based policy allows the kms:Decrypt action", "policy-condition-mismatch"},
		{"an alias of AWS", "User: " + caller + " is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:alias/aws/s3", "aws-managed-key-not-usable"},
		{"a function's environment", "Lambda was unable to decrypt the environment variables because KMS access was denied", "grant-stale-recreated-principal"},
		{"Auto Scaling launches", "Auto Scaling group web: Client.InternalError: Client error on launch", "slr-missing-key-access"},
		{"a tool launches", "Error: aws_instance.web: unexpected state 'shutting-down', last error: Client.InvalidKMSKey.InvalidState", "iam-policy-missing-action"},
		{"a log group", "The specified KMS key does not exist or is not allowed to be used with LogGroup arn:aws:logs:eu-west-1:111122223333:log-group:x", "key-policy-missing-service-principal"},
		{"a trail", "InsufficientEncryptionPolicyException: Insufficient permissions to access S3 bucket b or KMS key k", "key-policy-missing-service-principal"},
		{"an alarm publishes", `Received error: "null (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)" for the alarm`, "aws-managed-key-not-usable"},
		{"a default key is shared", "OperationNotPermitted: Encrypted snapshots with EBS default key cannot be shared", "default-key-not-shareable"},
		{"another apostrophe", "Snapshots encrypted with the AWS Managed CMK can’t be shared.", "default-key-not-shareable"},
		{"a disabled key", "KMS.DisabledException: " + key + " is disabled.", "key-disabled"},
		{"a key to be deleted", "KMSInvalidStateException: " + key + " is pending deletion.", "key-pending-deletion"},
		{"a state without words", "An error occurred (KMS.KMSInvalidStateException) when calling the GetObject operation", "key-pending-deletion"},
		{"a signing key encrypts", "InvalidKeyUsageException: " + key + " key usage is SIGN_VERIFY which is not valid for Encrypt.", "key-spec-or-usage-mismatch"},
		{"another key", "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.", "wrong-key"},
		{"another Region", "NotFoundException: Invalid arn eu-central-1", "wrong-region"},
		{"a name without alias/", "NotFoundException: Invalid keyId 'shop-key'", "alias-misuse"},
		{"an alias that is not there", "NotFoundException: Alias arn:aws:kms:eu-west-1:111122223333:alias/shop is not found.", "alias-not-found"},
		{"an alias that is there", "AlreadyExistsException: An alias with the name arn:aws:kms:eu-west-1:111122223333:alias/shop already exists", "alias-already-exists"},
		{"a lockout", "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.", "malformed-policy-lockout"},
		{"nobody of that name", "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.", "malformed-policy-invalid-principal"},
		{"a setting that is empty", "The target KMS key [None] does not exist, is not enabled or you do not have permissions to access it.", "invalid-request-parameters"},
		{"the context differs", "decrypting: InvalidCiphertextException:", "encryption-context-mismatch"},
		{"base64 too often", "aws kms decrypt --ciphertext-blob x: InvalidCiphertextException", "corrupt-ciphertext"},
		{"an old signature", "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.", "sigv4-required"},
		{"no credentials", "kms: NoCredentialProviders: no valid providers in chain", "credentials-missing-or-invalid"},
		{"no way to KMS", "Post \"https://kms.eu-west-1.amazonaws.com/\": dial tcp: i/o timeout", "network-endpoint-unreachable"},
		{"too often", "ThrottlingException: You have exceeded the rate at which you may call KMS.", "throttling"},
		{"too many", "LimitExceededException: grants for this key", "limit-exceeded"},
		{"a grant token", "InvalidGrantTokenException: ", "invalid-grant-token"},
		{"Terraform's state", "Failed to save state: failed to upload state: AccessDenied: Access Denied", "bucket-policy-requires-sse"},
		{"an upload in parts", "An error occurred (AccessDenied) when calling the UploadPart operation: Access Denied", "iam-policy-missing-action"},
		{"the simulator says no", "s3:GetObject allowed\nkms:Decrypt implicitDeny", "iam-policy-missing-action"},
		{"DRS has no key", "The EBS encryption key could not be found in this account", "cross-account-key-access"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			in, ok := diagnose.One(tt.text)
			if !ok {
				t.Fatalf("nothing recognised in %q", tt.text)
			}
			if got := in.Causes[0]; got.Code != tt.cause {
				t.Errorf("first cause of %q is %s (%.2f, form %s), want %s", tt.text, got.Code, got.Confidence, in.Form, tt.cause)
			}
		})
	}
}

// A text that allows several causes never names one only, and what is told of
// each is whole.
func TestCausesAreWhole(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		refused, refused + " because no resource-based policy allows the kms:Decrypt action",
		"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
		"Access to KMS is not allowed", "Client.InternalError: Client error on launch", "s3: Access Denied",
		"The source snapshot KMS key [" + key + "] does not exist, is not enabled or you do not have permissions to access it.",
	} {
		in, ok := diagnose.One(text)
		if !ok || len(in.Causes) < 3 || in.Causes[0].Confidence > 0.8 {
			t.Errorf("%q: %d causes, first %+v: it allows several", text, len(in.Causes), in.Causes)
			continue
		}
		sum := 0.0
		for i, c := range in.Causes {
			sum += c.Confidence
			if _, known := diagnose.CodeText(c.Code); !known {
				t.Errorf("%q: the code %s is unknown", text, c.Code)
			}
			if len(c.Evidence) == 0 || len(c.Settles) == 0 || c.Fix == "" || c.PrincipalKind == "" {
				t.Errorf("%q: the cause %s is not whole: %+v", text, c.Code, c)
			}
			if i > 0 && c.Confidence > in.Causes[i-1].Confidence {
				t.Errorf("%q: %s stands behind a less likely one", text, c.Code)
			}
		}
		if sum > 1.001 {
			t.Errorf("%q: the confidences sum to %.3f", text, sum)
		}
	}
}

// Every code has a sentence, a fix and a question, and some form or rule that
// comes to it.
func TestEveryCodeIsReached(t *testing.T) {
	t.Parallel()
	reached := diagnose.ReachedCodes()
	for _, code := range diagnose.Codes() {
		if !slices.Contains(reached, code) {
			t.Errorf("no form and no rule comes to %s", code)
		}
		if !diagnose.HasFix(code) {
			t.Errorf("%s has no fix or no question", code)
		}
	}
	for _, code := range reached {
		if _, ok := diagnose.CodeText(code); !ok {
			t.Errorf("a form or rule names the code %q, which does not exist", code)
		}
	}
}

// The rules name forms that exist, and no form hides behind another's name.
func TestTablesHoldTogether(t *testing.T) {
	t.Parallel()
	for _, problem := range diagnose.TableProblems() {
		t.Error(problem)
	}
}

func TestExtraction(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		says, text string
		want       diagnose.Incident
	}{
		{"an AWS CLI error", "An error occurred (AccessDeniedException) when calling the Decrypt operation: " + refused + " because no identity-based policy allows the kms:Decrypt action", diagnose.Incident{
			Code: "AccessDeniedException", Service: "kms", Operation: "Decrypt", Principal: caller, PrincipalKind: diagnose.Role, Action: "kms:Decrypt",
			Key: key, Account: "111122223333", KeyAccount: "111122223333", Region: "eu-west-1", Layer: access.Identity,
		}},
		{"an error of the Go SDK", "operation error S3: GetObject, https response error StatusCode: 403, RequestID: ABCD1234EFGH, api error AccessDenied: User: arn:aws:iam::111122223333:user/carol is not authorized to perform: kms:Decrypt on resource: " + foreign + " because no resource-based policy allows the kms:Decrypt action", diagnose.Incident{
			Code: "AccessDenied", Service: "s3", Operation: "GetObject", Principal: "arn:aws:iam::111122223333:user/carol", PrincipalKind: diagnose.User, Action: "kms:Decrypt",
			Key: foreign, Account: "111122223333", KeyAccount: "444455556666", Region: "eu-west-1", Layer: access.ResourcePolicy, RequestID: "ABCD1234EFGH",
		}},
		{"masks stay", "AccessDeniedException: User: arn:aws:sts::<my account>:assumed-role/{Role Name}/**** is not authorized to perform: kms:Encrypt on resource: arn:aws:kms:eu-west-3:{Account Number}:key/xxxx-xxxx", diagnose.Incident{
			Code: "AccessDeniedException", Service: "kms", Principal: "arn:aws:sts::<my account>:assumed-role/{Role Name}/****", PrincipalKind: diagnose.Role, Action: "kms:Encrypt",
			Key: "arn:aws:kms:eu-west-3:{Account Number}:key/xxxx-xxxx", Account: "<my account>", KeyAccount: "{Account Number}", Region: "eu-west-3",
		}},
		{"a denying policy is named", refused + " with an explicit deny in a service control policy: arn:aws:organizations::999988887777:policy/o-abc/service_control_policy/p-1", diagnose.Incident{
			Service: "kms", Principal: caller, PrincipalKind: diagnose.Role, Action: "kms:Decrypt", Key: key, Account: "111122223333", KeyAccount: "111122223333", Region: "eu-west-1",
			Layer: access.SCP, Explicit: true, PolicyARN: "arn:aws:organizations::999988887777:policy/o-abc/service_control_policy/p-1",
		}},
		{"EKS names nobody", "InvalidRequestException: User not authorized to perform kms:CreateGrant operatio", diagnose.Incident{
			Code: "InvalidRequestException", Service: "kms", PrincipalKind: diagnose.Unknown, Action: "kms:CreateGrant",
		}},
		{"actions in brackets", "Cannot take the snapshot. (Actions: kms:CreateGrant) Insufficient permissions", diagnose.Incident{
			Service: "kms", PrincipalKind: diagnose.Unknown, Action: "kms:CreateGrant",
		}},
		{"the Java SDK's brackets", key + " is disabled. (Service: Amazon S3; Status Code: 400; Error Code: KMS.DisabledException; Request ID: QQQQ1111)", diagnose.Incident{
			Code: "KMS.DisabledException", Service: "s3", PrincipalKind: diagnose.Unknown, Key: key, KeyAccount: "111122223333", Region: "eu-west-1", RequestID: "QQQQ1111",
		}},
		{"an encoded message", "UnauthorizedOperation when calling the RunInstances operation: Encoded authorization failure message: abcdefghijklmnopqrstuvwxyz0123", diagnose.Incident{
			Code: "UnauthorizedOperation", Service: "ec2", Operation: "RunInstances", PrincipalKind: diagnose.Unknown, Encoded: "abcdefghijklmnopqrstuvwxyz0123",
		}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			got, ok := diagnose.One(tt.text)
			if !ok {
				t.Fatal("nothing recognised")
			}
			got.Line, got.Column, got.Text, got.Form, got.Causes, got.Context = 0, 0, "", "", nil, nil
			if diff := diagnose.Differs(&got, &tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}
