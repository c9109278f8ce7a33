package diagnose

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/usage"
)

// serviceNames are the names that SDKs print for services, where they are not
// the IAM prefix.
var serviceNames = map[string]string{
	"awskms": "kms", "amazon s3": "s3", "amazonec2": "ec2", "awslambda": "lambda", "awssecretsmanager": "secretsmanager",
	"secrets manager": "secretsmanager", "awssimplesystemsmanagement": "ssm", "amazonsqs": "sqs", "amazonsns": "sns", "amazonrds": "rds",
	"amazondynamodb": "dynamodb", "amazondynamodbv2": "dynamodb", "cloudwatch logs": "logs", "awslogs": "logs", "cloudwatchlogs": "logs",
	"auto scaling": "autoscaling", "amazonautoscaling": "autoscaling", "amazoneks": "eks", "amazonecr": "ecr", "awscloudtrail": "cloudtrail",
	"amazonkinesisfirehose": "firehose", "amazonkinesis": "kinesis", "config service": "config", "database migration service": "dms",
	"elasticache": "elasticache", "opensearch": "es", "efs": "elasticfilesystem", "sfn": "states",
}

// prefixOf is the IAM prefix of a service that an SDK names.
func prefixOf(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if p, ok := serviceNames[name]; ok {
		return p
	}
	name = strings.ReplaceAll(name, " ", "")
	if name != "" && (awsfacts.KnownService(name) || len(name) <= 20) {
		return name
	}
	return ""
}

// serviceWords tell a service by what stands around a message. The more
// telling come first.
var serviceWords = []struct {
	service string
	words   []phrase
}{
	{"autoscaling", []phrase{"auto scaling", "autoscaling", "asginstancelaunchfailure", "aws_autoscaling", "launching a new ec2 instance"}},
	{"backup", []phrase{"aws backup", "awsserviceroleforbackup", "copy job", "backup job", "recovery point", "backup vault"}},
	{"drs", []phrase{"elastic disaster recovery", "awselasticdisasterrecovery", "failed to create staging disks", "drs.amazonaws.com", "staging area"}},
	{"mgn", []phrase{"application migration service", "mgn.amazonaws.com"}},
	{"lambda", []phrase{"environment variables", "lambda.kmsaccessdenied", "aws_lambda_function", "lambda was unable", "aws::lambda"}},
	{"secretsmanager", []phrase{"secrets manager", "secretsmanager", "getsecretvalue", "access to kms is not allowed"}},
	{"logs", []phrase{"log group", "log-group", "arn:aws:logs", "aws_cloudwatch_log_group", "aws::logs"}},
	{"cloudtrail", []phrase{"createtrail", "insufficientencryptionpolicy", "aws_cloudtrail", "cloudtrail trail", "(service: cloudtrail"}},
	{"firehose", []phrase{"firehose", "delivery stream"}},
	{"eks", []phrase{"eks cluster", "aws_eks_cluster", "updateclusterversion", "ekscontrolplane", "aws::eks"}},
	{"rds", []phrase{"db snapshot", "dbsnapshot", "dbclustersnapshot", "kmskeynotaccessiblefault", "source snapshot kms key", "aws_db_", "aws_rds_", "aws::rds"}},
	{"ec2", []phrase{"client.internalerror", "invalidkmskey.", "the runinstances", "the startinstances", "the createvolume", "the copysnapshot", "the copyimage", "modifysnapshotattribute", "modifyimageattribute", "ebs volume", "ebs snapshot", "ebs default key", "snapshots encrypted", "karpenter", "aws_instance", "aws_ebs_", "amazon-ebs"}},
	{"sns", []phrase{"sns topic", "calling the publish", "aws_sns_topic", ":sns:", "aws::sns"}},
	{"sqs", []phrase{"sqs", "sendmessage", "receivemessage"}},
	{"ssm", []phrase{"parameter store", "getparameter", "aws_ssm_parameter", "handshake", "session-manager"}},
	{"dynamodb", []phrase{"dynamodb"}},
	{"ecr", []phrase{" ecr ", "ecr:", "aws_ecr", "aws::ecr", ".dkr.ecr."}},
	{"elasticfilesystem", []phrase{"elastic file system", "aws_efs", "efs:", "aws::efs", " efs "}},
	{"fsx", []phrase{"fsx"}},
	{"redshift", []phrase{"redshift", "createnamespace"}},
	{"es", []phrase{"opensearch", "elasticsearch"}},
	{"kafka", []phrase{"aws_msk", " msk "}},
	{"sagemaker", []phrase{"sagemaker"}},
	{"glue", []phrase{"aws glue", "aws_glue", "gluecontext"}},
	{"athena", []phrase{"athena"}},
	{"codebuild", []phrase{"codebuild"}},
	{"codepipeline", []phrase{"codepipeline"}},
	{"config", []phrase{"config recorder", "insufficientdeliverypolicy", "delivery channel"}},
	{"s3", []phrase{"s3://", "getobject", "putobject", "headobject", "copyobject", "uploadpart", "multipart", "x-amz-server-side-encryption", "amazons3", "s3 bucket", "server side encryption"}},
	{"kms", []phrase{"aws_kms_", "aws::kms", "kms key", "kms"}},
}

// forwarder is the short name of the service that forwarded the call to KMS, when it is
// one of which AWS documents that it does. See
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service.
func (in *Incident) forwarder() string {
	for _, name := range []string{in.Via, in.Service} {
		name = strings.TrimSuffix(name, ".amazonaws.com")
		if name == "autoscaling" || strings.HasPrefix(name, "ec2-") {
			name = "ec2" // through which Auto Scaling launches, and which calls itself ec2-frontend-api in CloudTrail
		}
		if _, _, documented := awsfacts.ViaServiceName(usage.ViaService(name, "us-east-1")); documented && name != "" && name != "kms" {
			return name
		}
	}
	return ""
}
