package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// keeperOf is the program that keeps a key's policy, as the key's tags tell; nothing for
// none. CloudFormation tags what its stacks own; Terraform has no tag of its own, and
// people write one. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html.
func keeperOf(k *estate.Key) string {
	if k == nil {
		return ""
	}
	if stack := k.Tags["aws:cloudformation:stack-name"]; stack != "" {
		return "the CloudFormation stack " + stack
	}
	for _, name := range sortedNames(k.Tags) {
		words := strings.NewReplacer("-", "", "_", "", ":", "", " ", "")
		switch key, value := words.Replace(strings.ToLower(name)), strings.ToLower(k.Tags[name]); {
		case key == "terraform" && value != "false", key == "managedby" && strings.Contains(value, "terraform"):
			return "Terraform (tag " + name + ")"
		}
	}
	return ""
}

// patched reports whether a blocker is opened by statements that belong where the key's
// policy is kept.
func (m *maker) patched(b *access.Blocker, g *route.Group) bool {
	if m.patches[g.Key] == nil {
		return false
	}
	switch b.Layer {
	case access.KeyPolicy, access.GrantLayer:
		return true
	case access.Identity:
		return slices.ContainsFunc(m.patches[g.Key], func(r rule) bool { return r.principal == g.Caller || r.grantee == g.Caller })
	}
	return false
}

// patch is the statements for a key that a program keeps, as JSON.
func (m *maker) patch(key string) string {
	var list []statement
	for i := range m.patches[key] {
		list = append(list, m.patches[key][i].statement())
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err.Error()
	}
	return string(text) + "; then plan again"
}
