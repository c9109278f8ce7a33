package diagnose_test

import (
	"slices"
	"strings"
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
		{"a node group launches", "AsgInstanceLaunchFailures: Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: Client.InvalidKMSKey.InvalidState", "slr-missing-key-access"},
		{"EC2's advice speaks of Auto Scaling", "Cause: One or more of the attached Amazon EBS volumes are encrypted with an inaccessible AWS KMS key. If the instance was launched by another AWS service, such as Amazon EC2 Auto Scaling, ensure that the key policies grant it access.", "key-policy-missing-principal"},
		{"a service calls in its own name", "Failed to execute action. Received error: \"User: cloudwatch.amazonaws.com is not authorized to perform: kms:GenerateDataKey on resource: " + key + "\"", "key-policy-missing-service-principal"},
		{"a service tells that it may not", "BadRequestException: the GuardDuty service principal does not have permission to the KMS key", "key-policy-missing-service-principal"},
		{"only the name of a role is told", "DMS: no permission to access key. AWSServiceRoleForDMSServerless", "slr-missing-key-access"},
		{"a parameter that is a refusal", "ValidationException: User does not have permission to kms:CreateGrant for the KMS key", "iam-policy-missing-action"},
		{"EKS lost its key", "KmsKeyNotFound: we couldn't find the KMS key associated with your cluster", "key-not-found"},
		{"EKS's key will go", "KmsKeyMarkedForDeletion: the KMS key is marked for deletion", "key-pending-deletion"},
		{"EKS lost its grant", "KmsGrantRevoked: the KMS grant associated to the cluster has been revoked", "key-policy-missing-principal"},
		{"null stands before another code", "InvalidCiphertextException: null (Service: AWSKMS; Status Code: 400; Error Code: InvalidCiphertextException)", "encryption-context-mismatch"},
		{"KMS itself refused without words", "An error occurred (AccessDeniedException) when calling the CreateKey operation:", "iam-policy-missing-action"},
		{"a secret under the default key", "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.", "aws-managed-key-not-usable"},
		{"without TLS", "Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.", "sigv4-required"},
		{"plaintext that is no base64", "aws kms encrypt --plaintext hello: Invalid base64: \"hello\"", "invalid-request-parameters"},
		{"an image's snapshots are not shared", "CopyImage: You do not have permission to access the storage of this ami", "cross-account-key-access"},
		{"an access identity of CloudFront", "KMS.UnrecognizedClientException: No account found for the given parameters", "key-policy-missing-service-principal"},
		{"a token of yesterday", "ExpiredImportTokenException: kms", "invalid-request-parameters"},
		{"another signature", "KMSInvalidSignatureException", "wrong-key"},
		{"a key store that is away", "KMS: XksProxyUriUnreachableException", "network-endpoint-unreachable"},
		{"a volume asked for again", "IdempotentParameterMismatch: Parameters on this idempotent request are inconsistent with parameters used in previous request(s), kmsKeyId=k", "iam-policy-missing-action"},
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

// The action that a text names is told in the words of AWS, however it is
// written; and who calls, where only the words around tell.
func TestImplied(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		says, text, action string
		kind               diagnose.Kind
	}{
		{"letter case", "User not authorized to perform: KMS:decrypt on the key", "kms:Decrypt", diagnose.Unknown},
		{"a pattern", "User: x is not authorized to perform: kms:GenerateDataKey* on the KMS key", "kms:GenerateDataKey", diagnose.Unknown},
		{"cut off", "User not authorized to perform kms:GenerateDataKeyWithoutPl", "kms:GenerateDataKeyWithoutPlaintext", diagnose.Unknown},
		{"several", "User: " + caller + " is not authorized to perform: kms:Decrypt, kms:DescribeKey on the key", "kms:Decrypt", diagnose.Role},
		{"a permission by name", "the task role lacks the permission kms:Decrypt on the KMS key", "kms:Decrypt", diagnose.Role},
		{"the name before", "sops: kms:Encrypt permission denied", "kms:Encrypt", diagnose.User},
		{"in quotes of quotes", `{\"message\":\"is not authorized to perform: kms:Sign on resource: \\"x\\"\"}`, "kms:Sign", diagnose.Unknown},
		{"lines of a string", `"User: x is not authorized\nto perform: kms:Verify on the KMS key"`, "kms:Verify", diagnose.Unknown},
		{"an address", "https://x/?error=not+KMS&message=is%20not%20authorized%20to%20perform%3A%20kms%3AEncrypt", "kms:Encrypt", diagnose.Unknown},
		{"an operation by name", "You must have DescribeKey permissions on the CMK: access denied", "kms:DescribeKey", diagnose.Unknown},
		{"a grant in words", "the caller does not have permission to create a grant on the KMS key", "kms:CreateGrant", diagnose.Unknown},
		{"a condition key is none", "access denied: kms:ViaService does not match on the KMS key", "", diagnose.Unknown},
		{"what runs in AWS", "ResourceInitializationError: Access to KMS is not allowed", "kms:Decrypt", diagnose.Role},
		{"a service-linked role", "access denied to the KMS key for AWSServiceRoleForAutoScaling", "", diagnose.ServiceRole},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			in, ok := diagnose.One(tt.text)
			if !ok {
				t.Fatal("nothing recognised")
			}
			if c := in.Causes[0]; c.MissingAction != tt.action || c.PrincipalKind != tt.kind {
				t.Errorf("action %q of a %s, want %q of a %s (form %s)", c.MissingAction, c.PrincipalKind, tt.action, tt.kind, in.Form)
			}
		})
	}
}

// Commands take what they are given: the policy of a key is not asked for by an
// alias, nor that of another account's key in one's own.
func TestCommandsFit(t *testing.T) {
	t.Parallel()
	in, ok := diagnose.One("User: " + caller + " is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:444455556666:alias/shop because no resource-based policy allows the kms:Decrypt action")
	if !ok {
		t.Fatal("nothing recognised")
	}
	for _, c := range in.Causes {
		for i, q := range c.Settles {
			if !strings.Contains(q.Command, "get-key-policy") {
				continue
			}
			if strings.Contains(q.Command, "alias/") || i == 0 || !strings.Contains(c.Settles[i-1].Command, "describe-key --key-id arn:aws:kms:eu-west-1:444455556666:alias/shop") || !strings.Contains(q.Fact, "in account 444455556666") {
				t.Errorf("%s asks %+v", c.Code, c.Settles)
			}
		}
	}
}
