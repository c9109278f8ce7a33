package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key043() Rule {
	return Rule{
		ID: "KEY043", Severity: finding.Warning,
		Title: "A key in the launch template of Elastic Disaster Recovery",
		Text:  "Recovery volumes are encrypted as the replication settings say. A key in the EC2 launch template of a source server is ignored.",
		Fix:   "Set the key in the replication settings.",
		Page:  "https://docs.aws.amazon.com/drs/latest/userguide/ec2-key-considerations.html",
		Check: launchTemplateKey,
		Fires: []Example{
			{"script.sh", "aws drs get-launch-configuration --source-server-id s-1111111111111111a --query ec2LaunchTemplateID --output text\n" +
				"aws ec2 create-launch-template-version --launch-template-id lt-1 --launch-template-data '{\"BlockDeviceMappings\": [{\"DeviceName\": \"/dev/sda1\", \"Ebs\": {\"KmsKeyId\": \"alias/app\"}}]}'\n"},
			{"guide.md", "# DRS\n\nSet the KMS key in the EC2 launch template of the server.\n"},
		},
		Silent: []Example{
			{"script.sh", "aws ec2 create-launch-template-version --launch-template-id lt-1 --launch-template-data '{\"BlockDeviceMappings\": [{\"DeviceName\": \"/dev/sda1\", \"Ebs\": {\"KmsKeyId\": \"alias/app\"}}]}'\n"},
			{"guide.md", "# DRS\n\nA KMS key in the launch template is ignored; set it in the replication settings.\n"},
		},
	}
}

var (
	templateKey  = lazy.Regexp(`\b(set|add|specify|configure|choose|select|change|update|edit|put|use)\b.{0,60}\bkey\b.{0,60}\blaunch template\b|\b(set|edit|update|change|modify|configure)\b.{0,40}\blaunch template\b.{0,60}\b(kms|encryption) key\b|\blaunch template\b.{0,60}\b(set|add|specify|choose|select|enter|pick|put)\b.{0,30}\b(kms |encryption |cmk |managed )key\b`)
	templateTold = lazy.Regexp(`\bignored?\b|\bno effect\b|\breplication settings\b`)
)

func launchTemplateKey(m *Material, r *Report) {
	if !m.disasterRecovery() {
		return
	}
	templates := []string{"create-launch-template", "create-launch-template-version"}
	drs := slices.ContainsFunc(m.Commands, func(c *Command) bool { return c.Service == "drs" })
	for _, c := range m.Commands {
		w, ok := c.Value("--launch-template-data")
		if !drs || !ok || c.Service != "ec2" || !slices.Contains(templates, c.Operation) {
			continue
		}
		if len(dig(w.JSON, "BlockDeviceMappings", "Ebs", "KmsKeyId")) > 0 {
			r.Add(w.Pos, c.name(), "Elastic Disaster Recovery ignores the key of the launch template", "set the key with aws drs update-replication-configuration")
		}
	}
	for _, s := range m.sentences() {
		if templateKey.MatchString(s.text) && !templateTold.MatchString(s.text) && !s.denies() {
			r.Add(s.at, "", "Elastic Disaster Recovery ignores the key of the launch template", "set the key in the replication settings")
		}
	}
}
