package script

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/lint/rules"
)

// word turns a value into what rules look at.
func (r *reader) word(v *value) rules.Word {
	return rules.Word{Text: v.text, Pos: r.place(v.at), Unknown: v.unknown}
}

var (
	option  = lazy.Regexp(`^--?[A-Za-z][\w-]*(?:=|$)`)
	name    = lazy.Regexp(`^[a-z][a-z0-9-]*$`)
	setting = lazy.Regexp(`^[A-Za-z_]\w*=`)
)

// carriers are commands that run the one that stands behind them.
var carriers = []string{
	"sudo", "env", "time", "nohup", "exec", "command", "builtin", "timeout", "xargs", "watch", "nice", "ionice", "chronic", "retry", "run",
	"aws-vault", "aws-okta", "saml2aws", "chamber", "granted", "assume", "eval", "doas", "stdbuf", "unbuffer", "parallel", "docker", "podman",
	"call", "start", "op", "teleport", "tsh", "leapp",
}

// find returns the index of the word aws when the words are a call of the AWS
// CLI, or -1.
func find(words []rules.Word) int {
	i := 0
	for i < len(words) && setting.MatchString(words[i].Text) {
		i++
	}
	if i == len(words) {
		return -1
	}
	switch {
	case isCLI(words[i].Text):
		return i
	case strings.HasPrefix(words[i].Text, "$") && i+2 < len(words) && words[i+1].Text == "=" && isCLI(words[i+2].Text):
		return i + 2 // an assignment of PowerShell
	case !slices.Contains(carriers, base(words[i].Text)):
		return -1
	}
	container := base(words[i].Text) == "docker" || base(words[i].Text) == "podman"
	for j := i + 1; j < len(words); j++ {
		text := words[j].Text
		if isCLI(text) || container && strings.HasPrefix(strings.TrimPrefix(text, "public.ecr.aws/"), "aws-cli/aws-cli") ||
			container && strings.HasPrefix(text, "amazon/aws-cli") {
			return j
		}
	}
	return -1
}

func isCLI(text string) bool {
	switch base(text) {
	case "aws", "aws.exe", "awslocal", "aws2":
		return true
	}
	return false
}

// base returns the last part of a path, of Windows too.
func base(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

// globals are the options of the CLI itself, which may stand before the service;
// those that take no value are false.
// See https://docs.aws.amazon.com/cli/latest/reference/#options.
var globals = map[string]bool{
	"--debug": false, "--endpoint-url": true, "--no-verify-ssl": false, "--no-paginate": false, "--output": true, "--query": true,
	"--profile": true, "--region": true, "--version": false, "--color": true, "--no-sign-request": false, "--ca-bundle": true,
	"--cli-read-timeout": true, "--cli-connect-timeout": true, "--cli-binary-format": true, "--no-cli-pager": false,
	"--cli-auto-prompt": false, "--no-cli-auto-prompt": false, "--cli-error-format": true,
}

// flags are options of the s3 commands, before whose arguments they may stand.
// See https://docs.aws.amazon.com/cli/latest/reference/s3/cp.html.
var flags = []string{
	"--recursive", "--dryrun", "--quiet", "--delete", "--force", "--only-show-errors", "--no-progress", "--follow-symlinks",
	"--no-follow-symlinks", "--no-guess-mime-type", "--human-readable", "--summarize", "--exact-timestamps", "--size-only",
	"--force-glacier-transfer", "--ignore-glacier-warnings",
}

// origin says which word of a call a value of an option is, and how much of it
// is the option's name.
type origin struct{ option, value, word, cut int }

// command reads the words of a call of the AWS CLI; nil when they are none.
func (r *reader) command(values []value, words []rules.Word, strict bool) (*rules.Command, []origin) {
	start := find(words)
	if start < 0 {
		return nil, nil
	}
	c := &rules.Command{Pos: words[start].Pos}
	var origins []origin
	var last *rules.Option
	for i := start + 1; i < len(words); i++ {
		v, word := &values[i], words[i]
		switch {
		case word.Text == "--" && last == nil, word.Text == "" && !v.quoted:
		case option.MatchString(word.Text) && !(v.quoted && last != nil && !strings.HasPrefix(word.Text, "--")):
			if last = addOption(c, word); len(last.Values) > 0 {
				origins = append(origins, origin{option: len(c.Options) - 1, word: i, cut: len(last.Name) + 1})
			}
		case last != nil && takesMore(c, last):
			origins = append(origins, origin{option: len(c.Options) - 1, value: len(last.Values), word: i})
			last.Values = append(last.Values, word)
		case c.Service == "" && word.Unknown && strings.HasPrefix(word.Text, "$"):
			// options that a variable holds
		case c.Service == "":
			c.Service = word.Text
		case c.Operation == "":
			c.Operation = word.Text
		default:
			c.Args = append(c.Args, word)
		}
	}
	if !plausible(c, strict) {
		return nil, nil
	}
	return c, origins
}

// addOption begins an option. What stands after an equals sign is its value.
func addOption(c *rules.Command, word rules.Word) *rules.Option {
	o := rules.Option{Name: word.Text, Pos: word.Pos}
	if name, text, ok := strings.Cut(word.Text, "="); ok {
		o.Name = name
		at := word
		at.Text = text
		at.Pos.Column += len(name) + 1
		o.Values = append(o.Values, at)
	}
	c.Options = append(c.Options, o)
	return &c.Options[len(c.Options)-1]
}

// takesMore reports whether the next word is a value of the option. Before the
// service and for the CLI's own options it is one at most; otherwise the CLI
// takes all words up to the next option.
func takesMore(c *rules.Command, o *rules.Option) bool {
	takes, global := globals[o.Name]
	switch {
	case global:
		return takes && len(o.Values) == 0
	case c.Operation == "":
		return len(o.Values) == 0
	case c.Service == "s3":
		return len(o.Values) == 0 && !slices.Contains(flags, o.Name)
	}
	return true
}

// plausible tells a command from prose that begins with the same word. In a
// block that may be anything it has an option, or an operation of two words.
func plausible(c *rules.Command, strict bool) bool {
	if !name.MatchString(c.Service) || c.Operation == "" {
		return false
	}
	if !name.MatchString(c.Operation) {
		return false
	}
	if !strict {
		return true
	}
	return len(c.Options) > 0 || strings.Contains(c.Operation, "-") || c.Service == "s3" || len(c.Args) == 0
}
