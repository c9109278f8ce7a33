package rules

import (
	"strings"

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
	needlessCapability(m, r)
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
			if res.Format == "terraform" && !protected(res.Body) && !protected(res.Whole) {
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

// protected reports whether a block of Terraform keeps what it declares from
// being destroyed, or may.
func protected(body *source.Node) bool {
	for _, n := range dig(body, "lifecycle", "prevent_destroy") {
		if n.Text != "false" {
			return true
		}
	}
	return false
}

// needlessCapability notes a template that is deployed with the leave to make
// roles and that makes none: what is added to it later makes them unasked.
func needlessCapability(m *Material, r *Report) {
	declared := 0
	for _, res := range m.Resources {
		if !strings.HasPrefix(res.Type, "AWS::") {
			continue
		}
		declared++
		if strings.HasPrefix(res.Type, "AWS::IAM::") || strings.HasPrefix(res.Type, "AWS::Serverless") || strings.HasPrefix(res.Type, "AWS::CloudFormation::") {
			return
		}
	}
	for _, c := range m.Commands {
		o := c.Option("--capabilities")
		if declared == 0 || c.Service != "cloudformation" || o == nil || len(o.Values) == 0 || !strings.HasPrefix(o.Values[0].Text, "CAPABILITY_") {
			continue
		}
		r.AddAs(finding.Info, o.Pos, c.name(), "the template makes nothing of IAM: "+o.Values[0].Text+" is not needed, and lets a later change make roles unasked", "leave --capabilities out")
	}
}
