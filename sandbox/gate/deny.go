package gate

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// Denied is the refusal of a call, with the decision behind it.
type Denied struct {
	Action   string
	Text     string
	Decision access.Decision
	Case     *estate.Case // nil when nothing was asked
	// Missing is what does not exist, which the text does not tell.
	Missing string
	// Why is what else the text does not tell.
	Why string
}

// Error returns AWS's text.
func (d *Denied) Error() string { return d.Text }

// denial is the text with which AWS refuses: who, what, on what, and one layer.
// The forms are recorded, or documented at
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html;
// which layer is named when several refuse is recorded for sessions and
// otherwise assumed to follow the order of evaluation.
func denial(c *Call, a *Ask, d *access.Decision) string {
	if d.Effect == access.Unknown {
		return notKnown(c, a, d)
	}
	if a.Target.Service == "s3" && strangers(c, a) {
		return "Access Denied"
	}
	if b := explicitBlocker(d); b != nil {
		if b.Layer == access.KeyPolicy && foreign(c, a) {
			return withheld(c, a)
		}
		return head(c, a) + " with an explicit deny in " + layerNames[b.Layer] + policyARN(b)
	}
	if onRole(a) {
		return head(c, a)
	}
	layer := implicitLayer(d)
	if layer == access.KeyPolicy && (foreign(c, a) || a.Missing) {
		return withheld(c, a)
	}
	return head(c, a) + " because no " + allowNames[layer] + " allows the " + a.Action + " action"
}

// head says who may not do what; across accounts KMS does not repeat the key.
func head(c *Call, a *Ask) string {
	text := "User: " + c.Caller.Text + " is not authorized to perform: " + a.Action
	switch {
	case foreign(c, a) && a.Target.Service == "kms":
		return text + " on this resource"
	case a.Resource == "*" && unnamed(a.Action):
		return text
	case a.Target.Service == "s3":
		return text + " on resource: \"" + a.Resource + "\""
	}
	return text + " on resource: " + a.Resource
}

// unnamed reports whether the text leaves out a resource that is "*": EC2,
// CloudTrail and the tagging of a key in the making do, going by what users report;
// and the listing of buckets too; other calls of KMS, IAM and STS say "on resource: *"
// (https://github.com/aws-ia/terraform-aws-control_tower_account_factory/issues/569).
func unnamed(action string) bool {
	return strings.HasPrefix(action, "ec2:") || strings.HasPrefix(action, "cloudtrail:") || action == "kms:TagResource" || action == "s3:ListAllMyBuckets"
}

// onRole reports whether the call is about assuming a role: STS then gives no
// reason, so that nobody learns whether there is such a role, as everybody who was
// refused reports
// (https://github.com/aws/karpenter-provider-aws/issues/4680).
func onRole(a *Ask) bool {
	return slices.Contains([]string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}, a.Action)
}

// withheld is the text for a resource of another account that does not exist or
// whose own policy does not allow: the caller is not told which.
func withheld(c *Call, a *Ask) string {
	on := "this resource"
	if a.Ciphertext {
		on = "the resource associated with this ciphertext"
	}
	return "User: " + c.Caller.Text + " is not authorized to perform: " + a.Action + " on " + on +
		" because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
}

func foreign(c *Call, a *Ask) bool { return a.Owner != "" && a.Owner != c.Caller.Account }

// strangers reports whether S3 gives no reason: to callers without credentials, and to
// those of an account outside the bucket owner's organization. It names the resource
// in quotes, as in the examples there.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html.
func strangers(c *Call, a *Ask) bool {
	return c.Caller.Account == "" || foreign(c, a) && !a.Together
}

// notKnown is not AWS's: a policy of the estate could not be read, and the
// sandbox does not guess.
func notKnown(c *Call, a *Ask, d *access.Decision) string {
	var whys []string
	for _, u := range d.Unknown {
		whys = append(whys, u.Text)
	}
	return "Keyreach does not know whether " + c.Caller.Text + " may perform " + a.Action + " on " + a.Resource + ": " + strings.Join(whys, "; ")
}

// evaluation is the order in which AWS goes through the layers.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html.
var evaluation = []access.Layer{
	access.RCP, access.SCP, access.EndpointPolicy, access.KeyPolicy, access.ResourcePolicy, access.Identity, access.Boundary, access.Session,
}

var layerNames = map[access.Layer]string{
	access.RCP: "a resource control policy", access.SCP: "a service control policy", access.EndpointPolicy: "a VPC endpoint policy",
	access.KeyPolicy: "a resource-based policy", access.ResourcePolicy: "a resource-based policy", access.Identity: "an identity-based policy",
	access.Boundary: "a permissions boundary", access.Session: "a session policy",
}

var allowNames = map[access.Layer]string{
	access.SCP: "service control policy", access.EndpointPolicy: "VPC endpoint policy", access.KeyPolicy: "resource-based policy",
	access.ResourcePolicy: "resource-based policy", access.Identity: "identity-based policy", access.Boundary: "permissions boundary",
	access.Session: "session policy",
}

func explicitBlocker(d *access.Decision) *access.Blocker {
	for _, layer := range evaluation {
		for i := range d.Blockers {
			if b := &d.Blockers[i]; b.Explicit && b.Layer == layer {
				return b
			}
		}
	}
	return nil
}

// policyARN ends the text when the policy that denies has an ARN, as managed,
// service control and resource control policies have. Recorded for the last,
// reported for the others since 2026.
func policyARN(b *access.Blocker) string {
	for word := range strings.FieldsSeq(b.Document) {
		if strings.HasPrefix(word, "arn:") {
			return ": " + word
		}
	}
	return ""
}

// implicitLayer picks the layer that the text names. Recorded: a role that is
// let in by a grant to the role, with a silent session policy, reads "session"
// although its account allows nothing either.
func implicitLayer(d *access.Decision) access.Layer {
	layers := d.BlockedBy()
	has := func(l access.Layer) bool { return slices.Contains(layers, l) }
	if has(access.Operation) || has(access.Region) {
		return access.KeyPolicy
	}
	if has(access.Session) && byRole(d) {
		return access.Session
	}
	for _, l := range evaluation {
		if l != access.RCP && has(l) {
			return l
		}
	}
	return access.Identity
}

// byRole reports whether a statement or grant lets the caller in by its role.
func byRole(d *access.Decision) bool {
	return slices.ContainsFunc(d.Evidence, func(e access.Evidence) bool {
		return e.Effect == "Allow" && e.By == "the role" && (e.Layer == access.GrantLayer || e.Layer == access.KeyPolicy)
	})
}
