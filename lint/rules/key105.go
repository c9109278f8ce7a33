package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key105() Rule {
	return Rule{
		ID: "KEY105", Severity: finding.Info,
		Title: "Something is still to be filled in, or should not stand here",
		Text: "A placeholder has no meaning to AWS: what depends on it cannot be checked until it is rendered. The other way round, ids of a live key or job " +
			"in a text are used by whoever copies it, and access keys that last are a secret to lose.",
		Fix:   "Render templates before they are checked; write example ids; let programs act as roles.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
		Check: leftOver,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:<account>:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
}`}, {"script.sh", `aws iam create-access-key --user-name backup
`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::backup/${aws:username}/*"}]
}`}, {"script.sh", `aws sts assume-role --role-arn arn:aws:iam::444455556666:role/Restore --role-session-name drill
`}},
	}
}

func leftOver(m *Material, r *Report) {
	idNoSecret(m, r)
	relay(m, r)
	liveIDs(m, r)
	for _, c := range m.Commands {
		if c.Is("iam", "create-access-key") {
			r.Add(c.Pos, "", "this makes an access key that lasts until somebody deletes it", "let the program act as a role")
		}
		missingFile(m, c, r)
	}
}

// The forms of ids.
var (
	accessKeyID = lazy.Regexp(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`)
	keyID       = lazy.Regexp(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	idOfDRS     = lazy.Regexp(`\b(s|drsjob)-[0-9a-f]{17}\b`)
)

// liveIDs reports, once for each kind, ids in a text that are no examples. The
// finding does not repeat them.
func liveIDs(m *Material, r *Report) {
	if len(m.Prose) == 0 && len(m.Code) == 0 {
		return
	}
	kinds := []idKind{
		{"an access key id", accessKeyID},
		{"the id of a key", keyID},
		{"the id of a server or job of DRS", idOfDRS},
	}
	say := func(at finding.Position, text string) {
		kinds = slices.DeleteFunc(kinds, func(k idKind) bool {
			live := slices.ContainsFunc(k.form.FindAllString(text, -1), func(id string) bool { return !invented(id) })
			if live {
				r.Add(at, "", "what stands here is "+k.name+", and no example: whoever copies the text uses it", "write an example id, or a placeholder")
			}
			return live
		})
	}
	for _, p := range m.Prose {
		say(p.Pos, p.Text)
	}
	for _, c := range m.Code {
		say(c.Pos, c.Text)
	}
	if len(m.Prose) == 0 {
		return
	}
	for _, c := range m.Commands {
		for _, o := range c.Options {
			for _, w := range o.Values {
				say(w.Pos, w.Text)
			}
		}
	}
}

// idKind is one kind of id, and how it is written.
type idKind struct {
	name string
	form *lazy.Pattern
}

// invented reports whether an id looks made up, as those in AWS's examples do.
func invented(id string) bool {
	for _, run := range []string{"EXAMPLE", "1234", "abcd", "0000", "1111", "aaaa", "5678", "cdef"} {
		if strings.Contains(id, run) {
			return true
		}
	}
	return false
}

// missingFile reports a policy file of a guide that the guide never shows.
func missingFile(m *Material, c *Command, r *Report) {
	w, ok := c.Value("--policy-document")
	name, isFile := strings.CutPrefix(w.Text, "file://")
	if !ok || !isFile || w.Unknown || w.JSON != nil || len(m.Prose) == 0 || len(m.Policies) == 0 {
		return
	}
	r.Add(w.Pos, "", name+" is not shown in this text", "show the policy that is meant")
}
