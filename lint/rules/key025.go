package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key025() Rule {
	return Rule{
		ID: "KEY025", Severity: finding.Critical,
		Title: "A key that EBS, S3 or RDS cannot use",
		Text:  "Services that store data encrypt it under symmetric encryption keys only. They refuse asymmetric keys and keys for signing or MACs.",
		Fix:   "Make a key with the spec SYMMETRIC_DEFAULT and the usage ENCRYPT_DECRYPT.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/services-ebs.html",
		Check: asymmetricForData,
		Fires: []Example{
			{"script.sh", "KEY=$(aws kms create-key --key-spec RSA_2048 --key-usage ENCRYPT_DECRYPT --query KeyMetadata.Arn --output text)\naws ec2 create-volume --size 8 --availability-zone us-east-1a --encrypted --kms-key-id $KEY\n"},
			{"main.tf", "resource \"aws_kms_key\" \"sign\" {\n  customer_master_key_spec = \"RSA_2048\"\n  key_usage = \"SIGN_VERIFY\"\n}\n\nresource \"aws_ebs_volume\" \"data\" {\n  availability_zone = \"us-east-1a\"\n  size = 8\n  encrypted = true\n  kms_key_id = aws_kms_key.sign.arn\n}\n"},
		},
		Silent: []Example{
			{"script.sh", "aws kms create-key --key-spec RSA_2048 --key-usage SIGN_VERIFY\naws kms sign --key-id alias/sign --message fileb://m --signing-algorithm RSASSA_PSS_SHA_256\n"},
			{"main.tf", "resource \"aws_kms_key\" \"data\" {}\n\nresource \"aws_ebs_volume\" \"data\" {\n  availability_zone = \"us-east-1a\"\n  size = 8\n  encrypted = true\n  kms_key_id = aws_kms_key.data.arn\n}\n"},
		},
	}
}

func asymmetricForData(m *Material, r *Report) {
	for _, k := range m.Keys {
		why := unfit(k.Spec, k.Usage)
		if why == "" {
			continue
		}
		for _, res := range m.Resources {
			if res == k.Resource || !storesData(res.Type) || !names(res, k) {
				continue
			}
			r.Add(res.Pos, res.Name, "it is encrypted under "+k.Name+", which is "+why, "use a symmetric encryption key")
		}
	}
	asymmetricInScript(m, r)
}

// unfit says what keeps a key from encrypting stored data, or "".
func unfit(spec, usage string) string {
	switch {
	case spec != "" && spec != "SYMMETRIC_DEFAULT":
		return "a key of the spec " + spec
	case usage != "" && usage != "ENCRYPT_DECRYPT":
		return "a key for " + usage
	}
	return ""
}

// storesData reports whether a declared thing is of a service that encrypts
// what it stores under a key.
func storesData(kind string) bool {
	kind = strings.ToLower(kind)
	return slices.ContainsFunc([]string{
		"aws_ebs_", "aws_s3_bucket", "aws_db_", "aws_rds_", "aws::ec2::volume", "aws::ec2::instance", "aws::s3::bucket", "aws::rds::",
		"aws_instance", "aws_launch_template", "aws_drs_", "aws_backup_vault", "aws::backup::backupvault",
	}, func(part string) bool { return strings.HasPrefix(kind, part) })
}

// names reports whether a declaration names a key that is declared too.
func names(res *Resource, k *Key) bool {
	if k.Resource == nil {
		return k.ARN.Resource != "" && mentions(res.Body, k.ARN.String())
	}
	// A reference is kept as ${aws_kms_key.x.arn}, ${Key} or ${Key.Arn}.
	name := k.Resource.Name
	if strings.HasPrefix(k.Resource.Format, "terraform") {
		return mentions(res.Body, name+".")
	}
	return mentions(res.Body, "${"+name+"}") || mentions(res.Body, "${"+name+".")
}

// asymmetricInScript looks for a script that makes one key, and uses it for
// data through a variable.
func asymmetricInScript(m *Material, r *Report) {
	made := map[int][]*Command{}
	for _, c := range m.Commands {
		if c.Is("kms", "create-key") {
			made[c.Script] = append(made[c.Script], c)
		}
		if len(made[c.Script]) != 1 || !slices.Contains([]string{"ec2", "rds", "s3api", "drs", "backup"}, c.Service) {
			continue
		}
		create := made[c.Script][0]
		spec, _ := create.known("--key-spec")
		if spec == "" {
			spec, _ = create.known("--customer-master-key-spec")
		}
		usage, _ := create.known("--key-usage")
		why := unfit(spec, usage)
		for _, o := range c.keys() {
			if w := o.Values[0]; why != "" && create.Into != "" && variableOf(w) == create.Into {
				r.Add(o.Pos, c.name(), fmt.Sprintf("the key that the script made in line %d is %s", create.Pos.Line, why), "make a symmetric encryption key")
			}
		}
	}
}
