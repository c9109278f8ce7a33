package rules

import (
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

func key061() Rule {
	return Rule{
		ID: "KEY061", Severity: finding.Critical,
		Title: "A key goes with its stack",
		Text: "CloudFormation schedules the deletion of a key when the stack is deleted, when the key leaves the template and when a change replaces " +
			"it, unless the template says Retain. With the key go all data under it.",
		Fix:   "Set DeletionPolicy and UpdateReplacePolicy to Retain; in Terraform, lifecycle with prevent_destroy.",
		Page:  "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html",
		Check: keyWithoutRetain,
		Fires: []Example{
			{"template.yaml", "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  Key:\n    Type: AWS::KMS::Key\n    Properties:\n      Description: data\n"},
			{"main.tf", "resource \"aws_kms_key\" \"data\" {\n  description = \"data\"\n}\n"},
		},
		Silent: []Example{
			{"template.yaml", "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  Key:\n    Type: AWS::KMS::Key\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n    Properties:\n      Description: data\n"},
			{"main.tf", "resource \"aws_kms_key\" \"data\" {\n  description = \"data\"\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n"},
		},
	}
}

func keyWithoutRetain(m *Material, r *Report) {
	for _, res := range m.Resources {
		switch res.Type {
		case "AWS::KMS::Key", "AWS::KMS::ReplicaKey":
			deleted, replaced := retains(res, "DeletionPolicy"), retains(res, "UpdateReplacePolicy")
			switch {
			case !deleted && res.Type == "AWS::KMS::Key":
				r.Add(res.Pos, res.Name, "the key is deleted with the stack, and all data under it is lost", "set DeletionPolicy: Retain and UpdateReplacePolicy: Retain")
			case !deleted:
				r.AddAs(finding.Warning, res.Pos, res.Name, "the replica is deleted with the stack", "set DeletionPolicy: Retain and UpdateReplacePolicy: Retain")
			case !replaced:
				r.AddAs(finding.Warning, res.Pos, res.Name, "a change that replaces the key, of its spec for one, deletes the old one", "set UpdateReplacePolicy: Retain")
			}
		case "aws_kms_key":
			if res.Format == "terraform" && len(dig(res.Body, "lifecycle", "prevent_destroy")) == 0 && len(dig(res.Whole, "lifecycle", "prevent_destroy")) == 0 {
				r.AddAs(finding.Info, res.Pos, res.Name, "destroying the configuration schedules the deletion of the key", "add lifecycle { prevent_destroy = true }")
			}
		}
	}
}

// retains reports whether an attribute of a resource keeps the key; one that is
// worked out elsewhere may.
func retains(res *Resource, attribute string) bool {
	if res.Whole == nil {
		return true
	}
	n := res.Whole.Field(attribute)
	if n == nil {
		return false
	}
	return n.Kind == source.Intrinsic || n.Kind == source.Map || n.Text == "Retain" || n.Text == "RetainExceptOnCreate"
}
