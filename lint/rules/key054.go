package rules

import (
	"regexp"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key054() Rule {
	return Rule{
		ID: "KEY054", Severity: finding.Error,
		Title: "The answer of get-key-policy is read as if it were the policy",
		Text: "The answer has the policy as one text under Policy, beside PolicyName. As text the CLI prints the policy, a tab and `default`, " +
			"which is no JSON; as JSON, the policy is an escaped string in it.",
		Fix:   "Add `--query Policy --output text`.",
		Page:  "https://docs.aws.amazon.com/cli/latest/reference/kms/get-key-policy.html",
		Check: policyOutput,
		Fires: []Example{
			{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --output text > policy.json\n"},
			{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default | jq '.Statement[].Sid'\n"},
		},
		Silent: []Example{
			{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default --query Policy --output text > policy.json\n"},
			{"script.sh", "aws kms get-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab --policy-name default | jq -r .Policy\n"},
		},
	}
}

func policyOutput(m *Material, r *Report) {
	answerInCode(m, r)
	for _, c := range m.Commands {
		if !c.Is("kms", "get-key-policy") {
			continue
		}
		query, queried := c.Value("--query")
		output, known := c.known("--output")
		if queried && (query.Unknown || strings.Contains(query.Text, "Policy")) || c.told() {
			continue
		}
		const fix = "add --query Policy --output text"
		switch {
		case output == "text":
			severity := finding.Error
			if c.Out == "" && c.Pipe == nil {
				severity = finding.Warning
			}
			r.AddAs(severity, c.Pos, c.name(), "as text the answer is the policy, a tab and its name: that is no JSON", fix)
		case c.Pipe != nil && jqOfPolicy(c.Pipe) != "":
			severity := finding.Error
			if jqOfPolicy(c.Pipe) == "." {
				severity = finding.Warning
			}
			r.AddAs(severity, c.Pos, c.name(), "the policy is one text under Policy, and jq "+jqOfPolicy(c.Pipe)+" does not look into it", "use jq -r .Policy, or "+fix)
		case c.Out != "" && (!known || output == "json") && writesBack(m, c.Out):
			r.Add(c.Pos, c.name(), c.Out+" holds the answer with the policy as a text in it, and is then written as the policy", fix)
		}
	}
}

// answerAsPolicy is code that takes the answer of GetKeyPolicy for the policy.
var answerAsPolicy = lazy.Regexp(`(\w+)\s*=\s*(?:await )?\w+\.get_key_policy\(`)

func answerInCode(m *Material, r *Report) {
	for _, code := range m.Code {
		for _, call := range code.calls(answerAsPolicy) {
			used := regexp.MustCompile(`\b` + call.name + `\[["'](Statement|Version|Id)["']\]`).FindStringIndex(code.Text[call.at:])
			again := regexp.MustCompile(`\b`+call.name+`\s*=[^=]`).FindAllStringIndex(code.Text[call.at:], 2)
			if used != nil && (len(again) < 2 || again[1][0] > used[0]) && !strings.HasPrefix(afterCall(code.Text, &call), "[") {
				r.Add(code.at(call.at+used[0]), "get_key_policy", "the answer has the policy as one text under Policy, and no Statement of its own", "read json.loads("+call.name+"['Policy'])")
			}
		}
	}
}

// afterCall returns what stands right behind a call.
func afterCall(text string, c *codeCall) string {
	from := strings.Index(text[c.at:], "(")
	if from < 0 {
		return ""
	}
	return strings.TrimPrefix(text[min(len(text), c.at+from+1+len(c.args)):], ")")
}

// jqOfPolicy returns the filter of jq that a pipe leads to, when it does not
// take the policy out of the answer.
func jqOfPolicy(p *Pipe) string {
	if len(p.Words) == 0 || p.Words[0].Text != "jq" || p.Next != nil {
		return ""
	}
	for _, w := range p.Words[1:] {
		if strings.HasPrefix(w.Text, "-") {
			continue
		}
		if w.Unknown || strings.Contains(w.Text, "Policy") || strings.Contains(w.Text, "fromjson") {
			return ""
		}
		return w.Text
	}
	return ""
}

func writesBack(m *Material, file string) bool {
	for _, c := range m.Commands {
		if v, _ := c.Value("--policy"); c.Is("kms", "put-key-policy") && sameFile(v.Text, file) {
			return true
		}
	}
	return false
}

// sameFile reports whether an argument file://x or fileb://x names a file.
func sameFile(argument, file string) bool {
	name, ok := strings.CutPrefix(argument, "fileb://")
	if !ok {
		name, ok = strings.CutPrefix(argument, "file://")
	}
	return ok && file != "" && strings.TrimPrefix(name, "./") == strings.TrimPrefix(file, "./")
}
