package diagnose

import "strings"

// rulesOfLaunches look at who launched an instance.
func rulesOfLaunches() []rule {
	return []rule{
		{
			forms: launchForms,
			words: scalingWords(),
			when:  launchedByScaling,
			says:  "Auto Scaling launches as its service-linked role, which takes no policies from you: it needs the key policy, or a grant",
			shift: []shift{{slrMissing, 4, 0.6}, {iamMissing, 0.25, 0}, {keyPrincipal, 0.6, 0}},
		},
		{
			forms: launchForms,
			words: []phrase{"karpenter", "nodeclaim", "provisioner", "ec2nodeclass", "nodepool", "noderegistrationhealthy", "eks auto mode"},
			says:  "Karpenter, and EKS Auto Mode, launch by a role of yours, which needs the key by IAM and the key policy",
			shift: []shift{{slrMissing, 0.1, 0}, {iamMissing, 1.5, 0}, {keyPrincipal, 2, 0}},
		},
		{
			forms: launchForms,
			words: []phrase{"failed to stabilize", "runinstances", "terraform", "aws_instance", "aws::ec2::instance", "packer", "amazon-ebs", "unexpected state", "runner", "lambda", "waiting for ec2 instance", "waiting for instance", "startinstances", "service catalog", "ansible", "jenkins"},
			when:  func(in *Incident) bool { return !launchedByScaling(in) },
			says:  "the instance was launched by a role or user of yours in its own name: no service-linked role takes part",
			shift: []shift{{slrMissing, 0.2, 0}, {iamMissing, 2, 0}, {keyPrincipal, 1.1, 0}},
		},
		{
			forms: []string{"launch", "launch-state"},
			words: []phrase{"state transition reason", "statetransitionreason", "server.internalerror"},
			says:  "this is what the page of the instance shows, whoever launched it",
			shift: []shift{{slrMissing, 0.7, 0}, {keyPrincipal, 1.4, 0}},
		},
		{
			forms: launchForms,
			words: []phrase{"shared ami", "other account", "another account", "cross-account", "cross account", "ami from"},
			says:  "an image of another account brings that account's key with it",
			shift: []shift{{crossAccount, 6, 0.4}},
		},
	}
}

// scalingWords tell that a service of AWS launched the instance.
func scalingWords() []phrase {
	return []phrase{
		"auto scaling", "autoscaling", "asginstancelaunch", " asg", "launching a new ec2 instance", "node group", "nodegroup", "node_group", "instances failed to join", "kops", "in response to",
		"spot fleet", "ec2 fleet", "capacity provider", "scaling activity", "beanstalk", "could not launch on-demand", "unhealthy while waiting for instance", "image builder", "imagebuilder", "instance refresh",
	}
}

// launchedByScaling reports whether the text tells it in other words than the
// advice that EC2 gives everybody with "inaccessible AWS KMS key".
func launchedByScaling(in *Incident) bool {
	rest := strings.ReplaceAll(lowerASCII(in.Text), "such as amazon ec2 auto scaling", "")
	_, ok := anyOf(rest, rest, scalingWords())
	return ok
}

// rulesOfCopies look at which copy of a snapshot failed, and for whom.
func rulesOfCopies() []rule {
	return []rule{
		{
			forms: []string{"rds-source", "rds-target", "key-not-accessible", "inaccessible-volume", "refused", "some-denial", "some-inaccessible"},
			words: []phrase{"aws backup", "copy job", "awsserviceroleforbackup", "backup vault", "recovery point", "(backup)", "backup service"},
			when: func(in *Incident) bool {
				return in.mentions("cop", "rolefor", "source snapshot") || !in.mentions("backup job", "restore job")
			},
			says:  "AWS Backup copies across accounts as its service-linked role of the account that receives",
			shift: []shift{{slrMissing, 5, 0.45}, {crossAccount, 1.2, 0}, {keyAction, 0.5, 0}},
		},
		{
			forms: []string{"some-denial", "some-inaccessible", "some-not-found", "rds-source", "key-not-accessible", "secrets"},
			words: []phrase{"other account", "another account", "cross-account", "cross account", "destination account", "source account", "crossaccount"},
			says:  "two accounts are in play: the key's policy and an IAM policy on the other side both have to allow it",
			shift: []shift{{crossAccount, 4, 0.3}},
		},
		{
			forms: []string{"key-not-accessible"},
			words: []phrase{"describekey permissions on the default cmk"},
			says:  "the copy would be encrypted with the default key of the account that receives, which who copies has to see",
			shift: []shift{{slrMissing, 1.2, 0.1}, {crossAccount, 1.3, 0}},
		},
		{
			forms: []string{"key-not-accessible"},
			words: []phrase{"ami", "image", "snapshot copy", "copysnapshot", "copy-snapshot", "shared"},
			says:  "what is copied by hand or script is mostly shared by another account, under that account's key",
			shift: []shift{{crossAccount, 1.6, 0}},
		},
		{
			forms: []string{"not-authorized-to-use"},
			words: []phrase{"copyimage", "copysnapshot", "copy", "another account", "shared"},
			when:  func(in *Incident) bool { return in.KeyAccount != "" },
			says:  "a copy uses the key of the source too, which may be another account's",
			shift: []shift{{crossAccount, 1.4, 0}},
		},
	}
}

// rulesOfDatabases look at what RDS was asked for.
func rulesOfDatabases() []rule {
	return []rule{
		{
			forms: []string{"rds-source"},
			when:  func(in *Incident) bool { return in.Operation == "" && in.Code == "" },
			says:  "the words stand alone, without an operation and its code: so RDS's events and the jobs of AWS Backup show them",
			shift: []shift{{slrMissing, 3.6, 0.2}},
		},
		{
			forms: []string{"rds-source", "rds-target"},
			when:  func(in *Incident) bool { return strings.HasPrefix(in.Operation, "Copy") },
			says:  "the copy was called by a role or user in its own name",
			shift: []shift{{slrMissing, 0.4, 0}},
		},
		{
			forms: []string{"rds-target"},
			words: []phrase{"create_db", "createdb", "restore", "aws_db_instance", "aws_rds_cluster", "specified kms key"},
			says:  "the key of a new database has to be in its Region, and open to who makes it",
			shift: []shift{{wrongRegion, 1.2, 0}, {iamMissing, 1.2, 0}},
		},
		{
			forms: []string{"rds-target"},
			words: []phrase{"creating rds cluster", "creating rds db", "creating db instance", "creating rds global", "replica", "global cluster", "secondary"},
			says:  "a tool that makes databases has mostly the rights to, and its key is taken from a setting: RDS wants one of the Region of each database",
			shift: []shift{{wrongRegion, 1.9, 0}},
		},
	}
}

// rulesOfCallers look at the service in whose work a refusal came.
func rulesOfCallers() []rule {
	return []rule{
		{
			forms: []string{"service-null", "messages", "ciphertext"},
			words: []phrase{"failed to execute action", "alarm", "providerresponse", "deliveryid", "eventbridge", "cloudwatch event", "\"delivery\"", "delivery "},
			says:  "an AWS service delivers here in its own name, not yours: the key of queue or topic must name it, and an AWS managed key never does",
			shift: []shift{{managedKey, 3.2, 0.4}, {keyService, 2.8, 0.4}, {iamMissing, 0.1, 0}, {keyPrincipal, 0.3, 0}},
		},
		{
			forms: []string{"service-null", "messages"},
			words: []phrase{"when calling the", "sendmessage", "publish", "receivemessage", "errortype", "at request.", "lambda", "operation error"},
			says:  "a program of yours called, in its own name",
			shift: []shift{{iamMissing, 1.6, 0}, {keyService, 0.3, 0}, {managedKey, 0.4, 0}},
		},
		{
			forms: []string{"refused", "no-resource"},
			words: []phrase{"invokedby: config.amazonaws.com", "invokedby: guardduty", "invokedby: access-analyzer", "invokedby: securityhub"},
			says:  "the service looks at everything by its role, also at keys that are not meant for it",
			shift: []shift{{keyPrincipal, 1.6, 0}},
		},
		{
			forms: []string{"refused", "some-denial", "some-parameter", "eks-revoked"},
			words: []phrase{"user not authorized to perform kms:", "user not authori"},
			says:  "EKS passes KMS's answer on in its own words; it asks as whoever calls EKS",
			shift: []shift{{iamMissing, 1.3, 0}, {keyPrincipal, 1.1, 0}},
		},
		{
			forms: []string{"secrets"},
			words: []phrase{"other account", "cross-account", "cross account", "another account", "arn:aws:secretsmanager"},
			when:  func(in *Incident) bool { return secretElsewhere(in) },
			says:  "the secret is of another account than the caller: its key has to let that account in, and aws/secretsmanager never does",
			shift: []shift{{crossAccount, 4, 0.4}},
		},
		{
			forms: []string{"refused", "no-resource"},
			words: []phrase{"codebuild", "codepipeline", "codedeploy", "artifact"},
			when:  func(in *Incident) bool { return apart(in.Account, in.KeyAccount) },
			says:  "a pipeline's artifacts are encrypted with a key of the account of the pipeline",
			shift: []shift{{crossAccount, 1.5, 0.2}},
		},
	}
}

// rulesOfOwnNames look for services that use a key in their own name, not in
// yours, and for service-linked roles that only the words name.
// See docs.aws.amazon.com/kms/latest/developerguide/service-integration.html.
func rulesOfOwnNames() []rule {
	vague := []string{"some-denial", "some-inaccessible", "key-policy-named", "s3", "refused", "service-null", "messages", "delivery-policy"}
	noPrincipal := func(in *Incident) bool { return in.PrincipalKind == Unknown || in.PrincipalKind == Service }
	return []rule{
		{
			forms: vague,
			words: []phrase{
				"service principal", "events.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com", "delivery.logs", "logs.amazonaws.com", "cloudtrail.amazonaws.com", "guardduty", "macie", "inspector",
				"bedrock.amazonaws.com", "ses.amazonaws.com", "eventbridge", "failedinvocations", "cloudwatch alarms", "flow log", "inventory report", "s3 inventory", "server access log", "access log", "elb:", "load balancer",
				"config delivery", "cost and usage report", "findings", "destination bucket", "storage lens", "does not have permission to the kms key or the resource", "rule target", "event bus", "event notification",
			},
			when:  noPrincipal,
			says:  "the service uses the key in its own name, by the statement of the key policy that names it: no IAM policy has a say",
			shift: []shift{{keyService, 14, 0.9}, {iamMissing, 0.35, 0}, {keyPrincipal, 0.7, 0}, {bucketPolicy, 0.4, 0}, {managedKey, 1.6, 0}},
		},
		{
			forms: []string{"some-denial", "some-inaccessible", "key-policy-named", "service-null"},
			words: []phrase{"service-linked role", "service linked role"},
			when:  noPrincipal,
			says:  "a service-linked role takes no policies from you: it needs the key policy, or a grant",
			shift: []shift{{slrMissing, 6, 0.9}, {iamMissing, 0.2, 0}},
		},
		{
			forms: []string{"some-inaccessible", "key-policy-named"},
			when:  func(in *Incident) bool { return in.PrincipalKind == ServiceRole },
			says:  "a service-linked role takes no policies from you: it needs the key policy, or a grant",
			shift: []shift{{slrMissing, 6, 0.9}, {iamMissing, 0.1, 0}},
		},
	}
}

func secretElsewhere(in *Incident) bool {
	i := strings.Index(in.Text, "arn:aws:secretsmanager:")
	return strings.Contains(in.Text, " account") || i >= 0 && apart(part(in.Text[i:], 4), in.Account)
}

// rulesOfData look at who reads or writes what.
func rulesOfData() []rule {
	return []rule{
		{
			forms: []string{"ciphertext"},
			words: []phrase{"getobject", "s3://", "amazons3", "headobject", "(service: amazon s3", "calling the copyobject"},
			says:  "who reads an object needs its key; an object's key is often of the account that shares the bucket",
			shift: []shift{{crossAccount, 2.4, 0}, {keyPrincipal, 1.1, 0}, {wrongKey, 0.3, 0}, {staleGrant, 0.1, 0}, {wrongRegion, 0.3, 0}, {wrongIdentity, 0.6, 0}},
		},
		{
			forms: []string{"ciphertext"},
			words: []phrase{"getparameter", "ssm", "parameter"},
			says:  "who reads a SecureString needs the key it was written with, which need not be alias/aws/ssm",
			shift: []shift{{keyPrincipal, 1.6, 0}, {wrongKey, 1.3, 0}, {staleGrant, 0.1, 0}, {crossAccount, 0.6, 0}},
		},
		{
			forms: []string{"ciphertext"},
			words: []phrase{"sqs", "sns", "queue", "topic", "publish", "kinesis"},
			says:  "who sends or receives needs the key of queue or topic",
			shift: []shift{{iamMissing, 1.5, 0}, {staleGrant, 0.2, 0}, {wrongRegion, 0.3, 0}},
		},
		{
			forms: []string{"ciphertext", "sdk-data-key"},
			words: []phrase{"sops", "eyaml", "credstash", "kube-aws", "chamber", "pulumi", "profile", "helm"},
			says:  "a tool that opens files for people works with the profile and Region of the moment",
			shift: []shift{{wrongIdentity, 3.6, 0}, {wrongRegion, 1.4, 0}, {iamMissing, 0.8, 0}, {staleGrant, 0.1, 0}},
		},
	}
}

// rulesOfObjects look at what was done to an object in S3.
func rulesOfObjects() []rule {
	return []rule{
		{
			forms: []string{"s3"},
			words: []phrase{"upload", "putobject", "put-object", "createmultipartupload", "failed to save state"},
			says:  "a bucket policy may demand certain encryption headers of uploads, and refuses others without saying so",
			shift: []shift{{bucketPolicy, 1.7, 0}},
		},
		{
			forms: []string{"s3"},
			words: []phrase{"upload state", "save state", "uploading state", "persist state"},
			says:  "Terraform's backend sends encryption headers of its own choice, by the settings encrypt and kms_key_id",
			shift: []shift{{bucketPolicy, 2.2, 0}},
		},
		{
			forms: []string{"s3"},
			words: []phrase{"uploadpart", "multipart", "completemultipart"},
			says:  "an upload in parts needs kms:Decrypt beside kms:GenerateDataKey, as S3 reads the parts back",
			shift: []shift{{iamMissing, 2.2, 0}, {bucketPolicy, 0.3, 0}},
		},
		{
			forms: []string{"s3"},
			words: []phrase{"getobject", "headobject", "download", "get-object", "copyobject"},
			says:  "reading an object sends no encryption headers, so no demand for them is in play",
			shift: []shift{{bucketPolicy, 0.15, 0}, {crossAccount, 1.3, 0}},
		},
	}
}

// rulesOfCiphertexts look at who handed a ciphertext over.
func rulesOfCiphertexts() []rule {
	return []rule{
		{
			forms: []string{"invalid-ciphertext"},
			words: []phrase{"aws kms decrypt", "ciphertext-blob", "fileb://", "base64", "ciphertextblob", "openssl"},
			says:  "on the command line the blob has to be given as raw bytes (fileb://), and base64 once too often or too rarely spoils it",
			shift: []shift{{corrupt, 2.5, 0}},
		},
		{
			forms: []string{"not-raw"},
			words: []phrase{"--plaintext", "kms encrypt", "kms sign", "--message"},
			says:  "what is handed over to be encrypted or signed has to be base64, or the bytes of a file (fileb://), with the AWS CLI 2",
			shift: []shift{{corrupt, 0.1, 0}, {badParameter, 1, 0.7}},
		},
		{
			forms: []string{"invalid-ciphertext"},
			words: []phrase{"when calling the decrypt operation"},
			says:  "the blob was handed over by the AWS CLI or a script, where base64 once too often is the usual mistake, and contexts are rare",
			shift: []shift{{corrupt, 1.9, 0}},
		},
		{
			forms: []string{"sdk-data-key"},
			words: []phrase{"aws-encryption-sdk", "aws_encryption_sdk", "com.amazonaws.encryptionsdk", "discovery", "keyring", "unable to decrypt any data key"},
			says:  "the Encryption SDK compares the key ARN in the message with the configured names letter by letter: an alias never equals it",
			shift: []shift{{aliasMisuse, 2, 0.1}},
		},
	}
}
