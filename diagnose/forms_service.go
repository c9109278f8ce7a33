package diagnose

import "strings"

// formsOfServices are what services say that use a key for somebody.
func formsOfServices() []form {
	return []form{
		{name: "logs", words: []phrase{"kms key does not exist or is not allowed to be used with", "not allowed to be used with arn*logs", "unable to validate if specified kms key is valid"}, says: "CloudWatch Logs tries the key as logs.REGION.amazonaws.com, with the log group's ARN as encryption context", action: "kms:Encrypt", kind: Service, causes: []prior{
			{keyService, 0.82}, {condition, 0.05}, {keyNotFound, 0.03}, {wrongRegion, 0.03}, {notYet, 0.02},
		}},
		{name: "cloudtrail", words: []phrase{"insufficientencryptionpolicy", "insufficient permissions to access s3 bucket"}, says: "CloudTrail tries the key as cloudtrail.amazonaws.com when a trail is made or changed", action: "kms:GenerateDataKey", kind: Service, causes: []prior{
			{keyService, 0.83}, {condition, 0.06}, {wrongRegion, 0.03},
		}},
		{name: "delivery-policy", words: []phrase{"insufficientdeliverypolicy", "unable to validate the following destination configurations", "insufficient delivery policy"}, says: "the service tests the destination when it is set up, with its key", action: "kms:GenerateDataKey", kind: Service, causes: []prior{
			{keyService, 0.62}, {managedKey, 0.14}, {iamMissing, 0.06},
		}},
		{name: "lambda-grant", words: []phrase{"key is invalid for creategrant", "unable to configure access to your environment variables"}, says: "Lambda makes a grant on the key for the function's role, in the name of whoever deploys", action: "kms:CreateGrant", causes: []prior{
			{iamMissing, 0.42}, {keyPrincipal, 0.18}, {aliasMisuse, 0.10}, {notYet, 0.08}, {keyAction, 0.05},
		}},
		{name: "lambda-environment", words: []phrase{"unable to decrypt the environment variables", "lambda*environment variables*kms", "kmsaccessdeniedexception*lambda", "lambda.kmsaccessdenied", "kms*lambda*environment variables"}, says: "Lambda opens the environment as the function's role, under a grant that names the role by its id: a role that was made anew under the same name has none", action: "kms:Decrypt", kind: Role, causes: []prior{
			{staleGrant, 0.48}, {iamMissing, 0.18}, {keyPrincipal, 0.18}, {keyDisabled, 0.03},
		}},
		{name: "secrets", words: []phrase{"access to kms is not allowed"}, says: "Secrets Manager used the secret's key in the caller's name, and KMS refused; which right was missing it does not tell", action: "kms:Decrypt", kind: Role, causes: []prior{
			{iamMissing, 0.50}, {keyPrincipal, 0.18}, {crossAccount, 0.16}, {managedKey, 0.06},
		}},
		{name: "secret-of-another", words: []phrase{"secret from a different aws account", "secret*another account*default", "different aws account*default kms"}, says: "aws/secretsmanager serves callers of its own account only: a secret for others needs a key of yours", action: "kms:Decrypt", causes: []prior{
			{managedKey, 0.52}, {defaultKey, 0.24}, {crossAccount, 0.20},
		}},
		{name: "grant-gone", words: []phrase{"kmsgrantrevoked", "kms grant*revoked", "grant*has been revoked"}, when: aboutKMS, says: "the service works under a grant on the key, and the grant is gone: revoked, or with the role that it named", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.38}, {staleGrant, 0.26}, {iamMissing, 0.16}, {keyDisabled, 0.06},
		}},
		{name: "firehose", words: []phrase{"invalidkmsresource", "kinesis.kms.", "grant for the cmk to this delivery stream"}, says: "Firehose works under a grant that its role, or who made the stream, has to be able to create", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{iamMissing, 0.52}, {keyPrincipal, 0.22}, {staleGrant, 0.08}, {keyAction, 0.06},
		}},
		{name: "eks-role", words: []phrase{"could not be assumed because it does not exist"}, when: func(in *Incident) bool { return strings.Contains(in.Operation, "Cluster") }, says: "EKS says this of a cluster role also when the role is there and may not use the key of the secrets", action: "kms:DescribeKey", kind: Role, causes: []prior{
			{keyPrincipal, 0.50}, {iamMissing, 0.12}, {notYet, 0.10},
		}},
		{name: "eks-revoked", words: []phrase{"explicit deny policy or revoked grant", "kms key*revoked grant"}, says: "EKS tests the key as the cluster's role; a role or grant of this minute may not be known yet", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.38}, {notYet, 0.20}, {iamMissing, 0.18}, {keyDisabled, 0.06},
		}},
		{name: "service-null", words: []phrase{"null (service: awskms", "null (service: kms"}, when: func(in *Incident) bool {
			return in.mentions("accessdenied", "access denied") || !in.mentions("exception")
		}, says: "the service passed on a refusal of KMS that had no text", action: "kms:GenerateDataKey", causes: []prior{
			{iamMissing, 0.42}, {keyService, 0.20}, {managedKey, 0.18}, {keyPrincipal, 0.12},
		}},
		{name: "messages", words: []phrase{"kmsaccessdenied", "kms.accessdenied"}, says: "a queue or topic is encrypted, and who sends or receives needs its key too", action: "kms:GenerateDataKey", causes: []prior{
			{iamMissing, 0.50}, {keyPrincipal, 0.20}, {keyService, 0.10}, {managedKey, 0.08},
		}},
	}
}

// formsOfStorage are what EC2, RDS, Backup and DRS say of encrypted disks.
func formsOfStorage() []form {
	return []form{
		{name: "default-key", words: []phrase{
			"ebs default key cannot be shared", "snapshots encrypted with*cannot be shared", "snapshots encrypted with*can't be shared", "default*key*cannot be shared", "encrypted with the default*cannot be copied", "aws managed cmk can't be shared", "aws managed cmk cannot be shared", "default key*cannot be shared", "default*key*can't be shared", "default service key*cannot", "encrypted with the default*key*share", "share*encrypted with*default*key", "aws managed key*cannot be shared", "aws managed key*can't be shared", "aws managed kms key*cannot be", "managed key*cross-account", "cross-account*not supported*aws managed key", "default*encryption key*another account", "encrypted with*aws-managed*cannot", "default aws/* key*cannot", "cannot share*default*key", "can't share*default*key",
		}, says: "the policy of an AWS managed key is AWS's and lets in the own account only", causes: []prior{
			{defaultKey, 0.95},
		}},
		{name: "managed-refused", words: []phrase{"aws managed key*not supported", "aws managed key*cannot be used", "aws-managed key*not supported", "managed key*isn't supported", "only customer managed", "must be a customer managed", "customer managed key is required", "not a customer managed", "aws managed kms key*not supported", "default*kms key*not supported"}, says: "the service wants a key whose policy you can write", causes: []prior{
			{managedKey, 0.80}, {defaultKey, 0.06}, {keyUsage, 0.04},
		}},
		{name: "inaccessible-volume", words: []phrase{"inaccessible aws kms key", "encrypted with an inaccessible"}, says: "the instance was started and ended at once because a volume did not open; EC2 gives this text, and its advice about Auto Scaling, whoever launched it", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.34}, {slrMissing, 0.30}, {iamMissing, 0.20}, {crossAccount, 0.06}, {keyDisabled, 0.04},
		}},
		{name: "launch", words: []phrase{"client.internalerror", "client error on launch", "internal error on launch"}, says: "EC2 says this of an instance whose encrypted volume did not open: the key policy let in neither who launched it nor, by a grant, who acts for that one; the key's state is mostly fine", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.31}, {slrMissing, 0.29}, {iamMissing, 0.24}, {crossAccount, 0.07}, {keyDisabled, 0.02},
		}},
		{name: "launch-state", words: []phrase{"client.invalidkmskey.invalidstate", "invalidkmskey.invalidstate", "kms key provided is in an incorrect state"}, says: "EC2 says 'incorrect state' also when only a right is missing, mostly kms:CreateGrant; key policy and IAM policy of whoever launched both count", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.31}, {iamMissing, 0.29}, {slrMissing, 0.24}, {crossAccount, 0.07}, {keyDisabled, 0.04},
		}},
		{name: "not-authorized-to-share", words: []phrase{"not authorized to use key", "not authorized to use the key", "not authorized to use kms key"}, when: shares, says: "EC2 wants to re-encrypt with the key in the name of whoever shares; where DRS shares, that is its role DRSStagingAccountRole_TARGET, whose own policy has no right on keys", action: "kms:ReEncryptFrom", kind: Role, causes: []prior{
			{keyPrincipal, 0.42}, {iamMissing, 0.30}, {crossAccount, 0.10}, {condition, 0.06},
		}},
		{name: "not-authorized-to-use", words: []phrase{"not authorized to use key", "not authorized to use the key", "not authorized to use kms key"}, says: "EC2 looks at the key as the caller, by kms:DescribeKey, before it copies or shares", action: "kms:DescribeKey", causes: []prior{
			{iamMissing, 0.42}, {keyPrincipal, 0.26}, {crossAccount, 0.18},
		}},
		{name: "image-storage", words: []phrase{"permission to access the storage of this ami", "access the storage of this image", "access to the storage of this ami"}, says: "who copies an image needs its snapshots shared, and their key opened to the account that copies", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{crossAccount, 0.46}, {defaultKey, 0.16}, {keyPrincipal, 0.14}, {iamMissing, 0.12},
		}},
		{name: "key-not-accessible", words: []phrase{"given key id is not accessible"}, says: "EC2 writes this on a copy that failed later: who copies may not make a grant on the target key, or the source's key does not open to them", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.30}, {crossAccount, 0.28}, {slrMissing, 0.16}, {iamMissing, 0.14},
		}},
		{name: "volume-gone", words: []phrase{"invalidvolume.notfound", "idempotent*request*inconsistent*kms", "kms*idempotent*request*inconsistent", "idempotentparametermismatch*kms", "kms*idempotentparametermismatch", "idempotentparametermismatch*encrypted"}, says: "EC2 asks KMS after it answered CreateVolume, and takes the volume away when KMS refuses", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{iamMissing, 0.52}, {keyPrincipal, 0.20}, {slrMissing, 0.06}, {crossAccount, 0.05},
		}},
		{name: "rds-source", words: []phrase{"source snapshot kms key", "source*kms key*does not exist, is not enabled or"}, says: "RDS uses the snapshot's key in the name of whoever copies, and says this whatever the reason", action: "kms:CreateGrant", causes: []prior{
			{keyPrincipal, 0.24}, {crossAccount, 0.21}, {iamMissing, 0.15}, {defaultKey, 0.15}, {keyAction, 0.09}, {slrMissing, 0.07}, {wrongRegion, 0.04},
		}},
		{name: "rds-target", words: []phrase{"kmskeynotaccessible", "is not enabled or you do not have permissions to access", "target kms key", "kms key*does not exist, is not enabled"}, says: "RDS looks for the key in the Region of the call, in the name of the caller", action: "kms:CreateGrant", causes: []prior{
			{iamMissing, 0.28}, {wrongRegion, 0.20}, {keyPrincipal, 0.17}, {crossAccount, 0.12}, {keyDisabled, 0.05}, {keyNotFound, 0.05}, {slrMissing, 0.04},
		}},
		{name: "drs-key", words: []phrase{"ebs encryption key could not be found in this account", "encryption key could not be found"}, says: "DRS looks for the key in the account of the replication; a key of another account it takes only by its ARN, and opened to it", action: "kms:DescribeKey", causes: []prior{
			{crossAccount, 0.46}, {wrongRegion, 0.18}, {keyNotFound, 0.14}, {aliasMisuse, 0.06},
		}},
		{name: "drs-staging", words: []phrase{"failed to create staging disks", "failed_to_create_staging_disks", "snapshots_failure"}, says: "DRS makes encrypted disks by roles of its own, and each of them needs the key", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{keyPrincipal, 0.38}, {slrMissing, 0.18}, {crossAccount, 0.14}, {iamMissing, 0.10},
		}},
	}
}

// formsOfData are what comes of ciphertexts.
func formsOfData() []form {
	s3 := func(in *Incident) bool {
		return (in.Service == "s3" || in.Service == "" || in.mentions("s3")) && !in.mentions("not authorized to perform")
	}
	return []form{
		{name: "ciphertext", words: []phrase{"ciphertext refers to a customer master key", "refers to a customer master key that does not exist", "ciphertext refers to a kms key that does not exist"}, says: "the old words of KMS for every refused Decrypt: a foreign key, another Region, a missing right, all read the same", action: "kms:Decrypt", kind: Role, causes: []prior{
			{iamMissing, 0.33}, {keyPrincipal, 0.18}, {crossAccount, 0.12}, {wrongRegion, 0.09}, {wrongIdentity, 0.09}, {wrongKey, 0.07}, {staleGrant, 0.04},
		}},
		{name: "handshake", words: []phrase{"handshake*invalidciphertext", "retrieve data key*invalidciphertext"}, says: "agent and client of a session give the target as encryption context, and must give the same", causes: []prior{
			{wrongContext, 0.90}, {corrupt, 0.03},
		}},
		{name: "not-raw", words: []phrase{"invalid base64", "illegal base64", "incorrect padding", "base64*invalidciphertext", "invalidciphertext*base64", "serializationexception*ciphertext", "ciphertext*truncated", "corrupt*ciphertext", "ciphertext*corrupt"}, when: func(in *Incident) bool { return in.mentions("kms", "cipher") }, says: "what was given is not the bytes that KMS had returned", causes: []prior{
			{corrupt, 0.90},
		}},
		{name: "invalid-ciphertext", words: []phrase{"invalidciphertext"}, says: "KMS gives this code, without a text, when the context is another than at encryption, and when the bytes are not what it returned", causes: []prior{
			{wrongContext, 0.56}, {corrupt, 0.34}, {wrongKey, 0.04},
		}},
		{name: "sdk-cannot-unwrap", words: []phrase{"cannotunwrapdatakey"}, says: "the Encryption SDK compares the key ARN in the message with the configured names letter by letter: an alias never equals it", action: "kms:Decrypt", causes: []prior{
			{aliasMisuse, 0.38}, {iamMissing, 0.24}, {wrongKey, 0.18}, {wrongIdentity, 0.06},
		}},
		{name: "sdk-data-key", words: []phrase{"unable to decrypt any data key", "failed to get the data key", "could not decrypt*data key", "failed to decrypt*data key", "unable to decrypt*data key", "error decrypting key", "cannot get sops data key", "error decrypting data encryption key", "error decrypting data key"}, says: "the tool found no key by which the data key opens, and does not tell what KMS answered", action: "kms:Decrypt", causes: []prior{
			{iamMissing, 0.30}, {wrongIdentity, 0.18}, {wrongKey, 0.14}, {aliasMisuse, 0.12}, {keyPrincipal, 0.10},
		}},
		{name: "s3", words: []phrase{
			"access denied", "accessdenied", "403 forbidden", "forbidden", "insufficient permissions*bucket", "denied by s3", "access*denied*s3",
		}, when: func(in *Incident) bool {
			return s3(in) && in.mentions("s3", "bucket", "object", "upload", "download", "multipart", "load state", "save state", "state file")
		}, says: "S3 does not tell whether its own policies refused or the key of the object", causes: []prior{
			{iamMissing, 0.42}, {bucketPolicy, 0.14}, {keyPrincipal, 0.13}, {crossAccount, 0.12}, {managedKey, 0.05},
		}},
	}
}

// formsOfLast catch what says of a key that it does not serve, in words of
// which nothing is known.
func formsOfLast() []form {
	kms := func(in *Incident) bool {
		return in.mentions("kms", "cmk", "encryption key", "encrypted with a key", "the key of", "customer managed key", "permission to access key", "customer master key", "alias/aws/")
	}
	refuses := func(in *Incident) bool {
		return in.mentions("access denied", "accessdenied", "permission", "not authorized", "not allowed to", "have access to", "unauthorized")
	}
	return []form{
		{name: "some-not-found", words: []phrase{"notfoundexception", "not found", "does not exist", "could not be found", "no such key", "couldn't find"}, when: func(in *Incident) bool { return kms(in) && (!refuses(in) || in.mentions("notfound")) }, says: "a key is looked for and not found where it was looked for", causes: []prior{
			{keyNotFound, 0.32}, {wrongRegion, 0.26}, {aliasNotFound, 0.10}, {crossAccount, 0.10}, {wrongIdentity, 0.06},
		}},
		{name: "key-policy-named", words: []phrase{"key policy does not", "key policy doesn't", "missing from the key policy", "key policy must", "not permitted by the key policy", "by the kms key policy", "check the key policy", "key policy*missing"}, says: "the message points at the key policy", causes: []prior{
			{keyPrincipal, 0.50}, {keyAction, 0.15}, {keyService, 0.12}, {keyRoot, 0.06},
		}},
		{name: "some-parameter", words: []phrase{"validationexception", "validationerror", "invalidparameter", "invalidrequest"}, when: func(in *Incident) bool { return kms(in) && !refuses(in) }, says: "the request is not acceptable as it is", causes: []prior{
			{badParameter, 0.48}, {keyPrincipal, 0.10}, {iamMissing, 0.10}, {keyUsage, 0.06}, {aliasMisuse, 0.06},
		}},
		{name: "some-denial", words: []phrase{"accessdenied", "access denied", "not authorized", "unauthorizedoperation", "authfailure", "unauthorized", "permission", "not allowed", "forbidden", "have access", "no access", "insufficient", "not permitted", "does not permit", "isn't authorized", "cannot send", "can't be granted"}, when: kms, says: "something about a key was refused; who refused, and why, is not in the text", causes: []prior{
			{iamMissing, 0.42}, {keyPrincipal, 0.24}, {crossAccount, 0.07}, {keyService, 0.05}, {keyAction, 0.05},
		}},
		{name: "some-inaccessible", words: []phrase{"inaccessible", "not accessible", "cannot access", "can't access", "unable to access", "cannot be accessed", "cannot use", "can't use", "unable to use"}, when: kms, says: "a key does not serve; why is not in the text", causes: []prior{
			{iamMissing, 0.28}, {keyPrincipal, 0.26}, {keyDisabled, 0.10}, {keyRoot, 0.06}, {crossAccount, 0.08},
		}},
	}
}

// shares reports whether the failed operation opens a snapshot or an image to
// others. See https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html.
func shares(in *Incident) bool {
	return in.Operation == "ModifySnapshotAttribute" || in.Operation == "ModifyImageAttribute"
}
