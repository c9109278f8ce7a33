package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/diagnose"
)

// alike is a failure with those of the text that say the same.
type alike struct {
	*diagnose.Incident
	again []int // lines of the others
}

// together joins failures that differ in their place and request only: a log
// repeats itself.
func together(found []diagnose.Incident) []alike {
	type likeness [8]string
	at := map[likeness]int{}
	var all []alike
	for i := range found {
		in := &found[i]
		k := likeness{in.Form, in.Code, in.Service, in.Operation, in.Principal, in.Action, in.Key, string(in.Layer)}
		if n, ok := at[k]; ok {
			all[n].again = append(all[n].again, in.Line)
			continue
		}
		at[k] = len(all)
		all = append(all, alike{Incident: in})
	}
	return all
}

// sentence says in one sentence who was refused what on which key, and what of
// it the text does not tell.
func sentence(in *diagnose.Incident) string {
	var b strings.Builder
	switch {
	case in.Action != "":
		fmt.Fprintf(&b, "%s was not allowed %s", cmp.Or(in.Principal, "Somebody whom the text does not name"), in.Action)
	case in.Operation != "" && in.Service != "":
		fmt.Fprintf(&b, "%s of %s failed", in.Operation, in.Service)
	case in.Operation != "":
		fmt.Fprintf(&b, "%s failed", in.Operation)
	case in.Service != "":
		fmt.Fprintf(&b, "A call to %s failed", in.Service)
	default:
		b.WriteString("A call failed")
	}
	if in.Action == "" && in.Principal != "" {
		b.WriteString(", for " + in.Principal)
	}
	if in.Key == "" {
		b.WriteString(" on a key that the text does not name")
	} else {
		b.WriteString(" on " + in.Key)
	}
	if in.KeyAccount != "" {
		b.WriteString(" of account " + in.KeyAccount)
	}
	if in.Region != "" {
		b.WriteString(" in " + in.Region)
	}
	switch {
	case in.KeyAccount != "":
	case in.Key == "":
		b.WriteString("; nor does it tell the key's account")
	default:
		b.WriteString("; whose account's it is, the text does not tell")
	}
	return b.String() + "."
}

// told lists what else the text told.
func told(in *diagnose.Incident) []string {
	var facts []string
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, name+" "+value)
		}
	}
	add("code", in.Code)
	if in.Action != "" && in.Operation != "" {
		name := strings.TrimPrefix(in.Service+":"+in.Operation, ":")
		if _, own := awsfacts.KMSOperation("kms:" + in.Operation); in.Service == "kms" && !own {
			name = in.Operation // of a service that the text does not name
		}
		add("operation", name)
	}
	add("made for somebody by", in.Via)
	add("layer named:", string(in.Layer))
	if in.Explicit {
		facts = append(facts, "an explicit deny")
	}
	add("by policy", in.PolicyARN)
	if in.Account != "" && in.Account != in.KeyAccount {
		add("account of the caller", in.Account)
	}
	add("request", in.RequestID)
	return facts
}

// likely is the confidence from which a cause is told in full.
const likely = 0.04

func diagnoseText(w io.Writer, found []diagnose.Incident) error {
	p := &printer{w: w}
	all := together(found)
	for i := range all {
		if i > 0 {
			p.blank()
		}
		p.incident(&all[i], len(all) > 1, i+1)
	}
	return p.err
}

func (p *printer) incident(in *alike, many bool, number int) {
	head := sentence(in.Incident)
	if many {
		head = strconv.Itoa(number) + ". " + head
	}
	p.put(0, 0, head)
	p.line(2, 0, "line %d: %s", in.Line, short(in.Text, 480))
	if facts := told(in.Incident); len(facts) > 0 {
		p.put(2, 0, strings.Join(facts, " · "))
	}
	if n := len(in.again); n > 0 {
		p.line(2, 0, "and %d more like it: %s", n, lineList(in.again))
	}
	if len(in.Encoded) > 0 {
		p.line(2, 0, "the reason is in the encoded message; who may decode it asks: aws sts decode-authorization-message --encoded-message MESSAGE")
	}
	var rest []string
	said := map[string]bool{}
	for i := range in.Causes {
		c := &in.Causes[i]
		if c.Confidence < likely && i > 0 {
			rest = append(rest, c.Code)
			continue
		}
		p.blank()
		about, _ := diagnose.CodeText(c.Code)
		p.line(2, 5, "%3s  %s: %s", percent(c.Confidence), c.Code, about)
		p.because(in.Incident, c, said)
	}
	if len(rest) > 0 {
		p.blank()
		p.line(2, 0, "less likely: %s", strings.Join(rest, ", "))
	}
}

// because tells a cause, without what was said of a likelier one.
func (p *printer) because(in *diagnose.Incident, c *diagnose.Cause, said map[string]bool) {
	once := func(s string) bool {
		first := !said[s]
		said[s] = true
		return first
	}
	for _, e := range c.Evidence {
		if once(e) {
			p.line(7, 9, "because  %s", e)
		}
	}
	p.fix(7, 9, "fix      ", nearer(in, c.Fix))
	for _, q := range c.Settles {
		if once(q.Command) {
			p.line(7, 9, "ask      %s:", q.Fact)
			p.command(16, q.Command)
		}
	}
}

// command prints a command on a line of its own, however long: it is copied.
func (p *printer) command(indent int, s string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.Repeat(" ", indent)+visible(s))
	}
}

// beforeCommand and betweenCommands stand around the commands of a fix.
const (
	beforeCommand   = ": aws "
	betweenCommands = ", then aws "
)

// fix prints what to do, with each command on a line of its own.
func (p *printer) fix(indent, hanging int, label, s string) {
	text, commands, has := strings.Cut(s, beforeCommand)
	if has {
		text += ":"
	}
	p.line(indent, hanging, "%s%s", label, text)
	if has {
		for c := range strings.SplitSeq(strings.TrimSuffix(commands, "."), betweenCommands) {
			p.command(max(indent, hanging), "aws "+c)
		}
	}
}

// nearer leaves the long names of key and caller away, which stand above; not in a
// command, which is copied.
func nearer(in *diagnose.Incident, s string) string {
	s, command, has := strings.Cut(s, beforeCommand)
	if has {
		command = beforeCommand + command
	}
	for name, short := range map[string]string{in.Key: "the key", in.Principal: "the caller"} {
		if len(name) > 20 && strings.HasPrefix(name, "arn:") {
			s = strings.ReplaceAll(s, name, short)
		}
	}
	return s + command
}

func percent(f float64) string { return strconv.Itoa(int(math.Round(f*100))) + "%" }

// short cuts a text for showing.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + " …"
}

// lineList names lines, and not all of very many.
func lineList(lines []int) string {
	var b strings.Builder
	b.WriteString(plural(len(lines), "line"))
	for i, n := range lines {
		if i == 8 {
			b.WriteString(", …")
			break
		}
		b.WriteString([]string{", ", " "}[max(0, 1-i)] + strconv.Itoa(n))
	}
	return b.String()
}

func diagnoseMarkdown(w io.Writer, found []diagnose.Incident) error {
	var b strings.Builder
	all := together(found)
	for i := range all {
		in := &all[i]
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "## %s\n\nLine %d", cell(sentence(in.Incident)), in.Line)
		if n := len(in.again); n > 0 {
			fmt.Fprintf(&b, ", and %d more like it (%s)", n, lineList(in.again))
		}
		if facts := told(in.Incident); len(facts) > 0 {
			b.WriteString(": " + cell(strings.Join(facts, " · ")))
		}
		b.WriteString("\n\n| likelihood | cause | because | fix |\n|---|---|---|---|\n")
		for j := range in.Causes {
			c := &in.Causes[j]
			about, _ := diagnose.CodeText(c.Code)
			fmt.Fprintf(&b, "| %s | `%s` %s | %s | %s |\n", percent(c.Confidence), c.Code, about, cell(strings.Join(c.Evidence, "; ")), cell(c.Fix))
		}
		first := &in.Causes[0]
		b.WriteString("\nWhat settles the first:\n\n")
		for _, q := range first.Settles {
			fmt.Fprintf(&b, "- %s: `%s`\n", cell(q.Fact), cell(q.Command))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
