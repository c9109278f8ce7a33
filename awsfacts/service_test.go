package awsfacts_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

func TestServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	const managed = "docs.aws.amazon.com/aws-managed-policy/latest/reference/"
	tests := []struct {
		name, service, policy string
		kmsUse, usesEBS       bool
		source                string
	}{
		{"AutoScaling", "autoscaling.amazonaws.com", "AutoScalingServiceRolePolicy", false, true, managed + "AutoScalingServiceRolePolicy.html"},
		{"EC2Spot", "spot.amazonaws.com", "AWSEC2SpotServiceRolePolicy", false, true, managed + "AWSEC2SpotServiceRolePolicy.html"},
		{"EC2SpotFleet", "spotfleet.amazonaws.com", "AWSEC2SpotFleetServiceRolePolicy", false, true, managed + "AWSEC2SpotFleetServiceRolePolicy.html"},
		{"EC2Fleet", "ec2fleet.amazonaws.com", "AWSEC2FleetServiceRolePolicy", false, true, managed + "AWSEC2FleetServiceRolePolicy.html"},
		{"ECS", "ecs.amazonaws.com", "AmazonECSServiceRolePolicy", false, false, managed + "AmazonECSServiceRolePolicy.html"},
		{"ECSCompute", "ecs-compute.amazonaws.com", "AmazonECSComputeServiceRolePolicy", false, false, managed + "AmazonECSComputeServiceRolePolicy.html"},
		{"ElasticDisasterRecovery", "drs.amazonaws.com", "AWSElasticDisasterRecoveryServiceRolePolicy", false, true, managed + "AWSElasticDisasterRecoveryServiceRolePolicy.html"},
		{"Backup", "backup.amazonaws.com", "AWSBackupServiceLinkedRolePolicyForBackup", true, true, managed + "AWSBackupServiceLinkedRolePolicyForBackup.html"},
		{"ImageBuilder", "imagebuilder.amazonaws.com", "AWSServiceRoleForImageBuilder", true, true, managed + "AWSServiceRoleForImageBuilder.html"},
		{"ApplicationAutoScaling_ECSService", "ecs.application-autoscaling.amazonaws.com", "AWSApplicationAutoscalingECSServicePolicy", false, false, managed + "AWSApplicationAutoscalingECSServicePolicy.html"},
		{"KeyManagementServiceMultiRegionKeys", "mrk.kms.amazonaws.com", "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy", false, false, "docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-auth.html"},
		{"RDS", "rds.amazonaws.com", "AmazonRDSServiceRolePolicy", false, false, managed + "AmazonRDSServiceRolePolicy.html"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, name := "/aws-service-role/"+tt.service+"/", "AWSServiceRoleFor"+tt.name
			role, ok := awsfacts.ServiceLinkedRoleFor("arn:aws:iam::111122223333:role" + path + name)
			if !ok || role.Name != name || role.Path != path || role.Service != tt.service || role.ManagedPolicy != tt.policy {
				t.Errorf("role = %+v, %t", role, ok)
			}
			if role.KMSUse != tt.kmsUse || role.UsesEBS != tt.usesEBS {
				t.Errorf("KMS use %t, EBS %t; see %s", role.KMSUse, role.UsesEBS, tt.source)
			}
			if role.Note == "" || !strings.HasPrefix(role.Source, "docs.aws.amazon.com/") {
				t.Errorf("note %q, source %q", role.Note, role.Source)
			}
		})
	}
}

func TestServiceLinkedRoleSpellings(t *testing.T) {
	t.Parallel()
	const account = "arn:aws:iam::111122223333:role"
	tests := []struct {
		name, role, want string
	}{
		{"a bare name", "AWSServiceRoleForAutoScaling", "AWSServiceRoleForAutoScaling"},
		{"a custom suffix", "AWSServiceRoleForAutoScaling_web_1", "AWSServiceRoleForAutoScaling"},
		{"a custom suffix in an ARN", account + "/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_web", "AWSServiceRoleForAutoScaling"},
		{"a session", "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling", "AWSServiceRoleForAutoScaling"},
		{"a name with an underscore of its own", "AWSServiceRoleForApplicationAutoScaling_ECSService", "AWSServiceRoleForApplicationAutoScaling_ECSService"},
		{"another partition", "arn:aws-cn:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup", "AWSServiceRoleForBackup"},
		{"the path left out", account + "/AWSServiceRoleForEC2Fleet", "AWSServiceRoleForEC2Fleet"},
		{"a foreign path", account + "/team/AWSServiceRoleForBackup", ""},
		{"another service's path", account + "/aws-service-role/drs.amazonaws.com/AWSServiceRoleForBackup", ""},
		{"a suffix where none can be", "AWSServiceRoleForBackup_mine", ""},
		{"an ordinary role", account + "/app", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			role, ok := awsfacts.ServiceLinkedRoleFor(tt.role)
			if role.Name != tt.want || ok != (tt.want != "") {
				t.Errorf("ServiceLinkedRoleFor(%q) = %q, %t, want %q", tt.role, role.Name, ok, tt.want)
			}
		})
	}
}

func TestIsServiceLinkedRole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		arn  string
		want bool
	}{
		{"arn:aws:iam::111122223333:role/aws-service-role/new.amazonaws.com/AWSServiceRoleForNew", true},
		{"arn:aws:iam::111122223333:role/service-role/DRSStagingAccountRole_444455556666", false},
		{"arn:aws:iam::111122223333:role/app", false},
		{"arn:aws:iam::111122223333:root", false},
	}
	for _, tt := range tests {
		if got := awsfacts.IsServiceLinkedRole(tt.arn); got != tt.want {
			t.Errorf("IsServiceLinkedRole(%q) = %t", tt.arn, got)
		}
	}
}

// docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
func TestViaServiceName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, value, service, region string
		documented                   bool
	}{
		{"EBS is ec2", "ec2.us-east-1.amazonaws.com", "ec2", "us-east-1", true},
		{"the suffix is the same in China", "s3.cn-north-1.amazonaws.com", "s3", "cn-north-1", true},
		{"a name with a hyphen", "redshift-serverless.eu-west-1.amazonaws.com", "redshift-serverless", "eu-west-1", true},
		{"DRS is not listed", "drs.us-east-1.amazonaws.com", "drs", "us-east-1", false},
		{"nor is ebs", "ebs.us-east-1.amazonaws.com", "ebs", "us-east-1", false},
		{"values are compared with letter case", "EC2.us-east-1.amazonaws.com", "EC2", "us-east-1", false},
		{"any Region", "ec2.*.amazonaws.com", "ec2", "*", true},
		{"any service", "*.us-east-1.amazonaws.com", "*", "us-east-1", true},
		{"a pattern that covers no service", "drs*.us-east-1.amazonaws.com", "drs*", "us-east-1", false},
		{"the suffix of the Chinese endpoints", "ec2.cn-north-1.amazonaws.com.cn", "", "", false},
		{"no Region", "ec2.amazonaws.com", "", "", false},
		{"too many parts", "a.b.c.amazonaws.com", "", "", false},
		{"an empty service", ".us-east-1.amazonaws.com", "", "", false},
		{"a service alone", "ec2", "", "", false},
		{"a suffix without a dot", "ec2.us-east-1amazonaws.com", "", "", false},
		{"nothing", "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service, region, documented := awsfacts.ViaServiceName(tt.value)
			if service != tt.service || region != tt.region || documented != tt.documented {
				t.Errorf("ViaServiceName(%q) = %q, %q, %t", tt.value, service, region, documented)
			}
		})
	}
	for _, service := range strings.Fields("ec2 rds s3 backup mgn lambda sqs sns secretsmanager fsx elasticfilesystem dynamodb") {
		if _, _, documented := awsfacts.ViaServiceName(service + ".us-east-1.amazonaws.com"); !documented {
			t.Errorf("%s is not documented", service)
		}
	}
	if got := awsfacts.ViaServicesDate(); got != "2023-06" {
		t.Errorf("the list is of %q", got)
	}
}

func TestKnownService(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"kms": true, "S3": true, "drs": true, "ebs": true, "elasticloadbalancing": true, "kmss": false, "": false} {
		if got := awsfacts.KnownService(name); got != want {
			t.Errorf("KnownService(%q) = %t", name, got)
		}
	}
}

// docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html and
// docs.aws.amazon.com/kms/latest/developerguide/resource-control-policies.html
func TestRCPCovers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		action string
		want   bool
	}{
		{"kms:Decrypt", true},
		{"KMS:decrypt", true},
		{"kms:ReEncryptFrom", true},
		{"kms:PutKeyPolicy", true},
		{"kms:RevokeGrant", true},
		{"kms:RetireGrant", false},
		{"KMS:retiregrant", false},
		{"kms:CreateKey", false},
		{"kms:GenerateRandom", false},
		{"s3:GetObject", true},
		{"sqs:SendMessage", true},
		{"sqs:ListQueues", true},
		{"sts:AssumeRole", true},
		{"sts:GetCallerIdentity", false},
		{"secretsmanager:GetSecretValue", true},
		{"ec2:RunInstances", false},
		{"rds:CopyDBSnapshot", false},
		{"iam:PassRole", false},
		{"drs:StartRecovery", false},
		{"kms", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := awsfacts.RCPCovers(tt.action); got != tt.want {
			t.Errorf("RCPCovers(%q) = %t, want %t", tt.action, got, tt.want)
		}
	}
}

func TestRCPExemptSaysWhy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		action, confidence string
	}{
		{"kms:RetireGrant", awsfacts.Recorded},
		{"sts:GetCallerIdentity", awsfacts.Documented},
		{"kms:ListKeys", awsfacts.Assumed},
	}
	for _, tt := range tests {
		e, ok := awsfacts.RCPExempt(tt.action)
		if !ok || e.Action != tt.action || e.Confidence != tt.confidence || e.Note == "" || !strings.HasPrefix(e.Source, "docs.aws.amazon.com/") {
			t.Errorf("RCPExempt(%q) = %+v, %t", tt.action, e, ok)
		}
	}
	if e, ok := awsfacts.RCPExempt("kms:Decrypt"); ok {
		t.Errorf("kms:Decrypt is exempt: %+v", e)
	}
}
