package input

import (
	"bytes"
	"path"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/script"
)

// runs are the members in which files of YAML have commands of a shell: steps of
// GitHub, GitLab, CodeBuild, Ansible, Kubernetes and Systems Manager.
var runs = map[string]bool{
	"run": true, "shell": true, "ansible.builtin.shell": true, "command": true, "ansible.builtin.command": true, "cmd": true, "cmds": true,
	"script": true, "before_script": true, "after_script": true, "commands": true, "args": true, "runCommand": true, "bash": true, "sh": true,
	"inlineScript": true, "_raw_params": true,
}

// calls finds a call of the AWS CLI in a text.
var calls = lazy.Regexp(`(?:^|[\s(|;&"'])aws\s+(?:--?[a-z-]+[= ]\S+\s+)*[a-z0-9-]+\s+[a-z]`)

// steps reads the scripts in a tree of YAML. name is what the tree calls the step.
func (r *reader) steps(n *source.Node, name string) {
	if n.Kind == source.Map {
		if own := n.Field("name"); own != nil && own.Kind == source.String {
			name = own.Text
		}
	}
	for i := range n.Items {
		r.steps(&n.Items[i], name)
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		switch v := &f.Value; {
		case !runs[f.Name]:
			r.steps(v, name)
		case v.Kind == source.String:
			r.step(v, name)
		case v.Kind == source.List:
			for j := range v.Items {
				if one := &v.Items[j]; one.Kind == source.String {
					r.step(one, name)
				} else {
					r.steps(one, name)
				}
			}
		default:
			r.steps(v, name)
		}
	}
}

// step reads a string that is a script with calls of the AWS CLI.
func (r *reader) step(n *source.Node, name string) {
	if !calls.MatchString(n.Text) {
		return
	}
	var headings []string
	if name != "" {
		headings = []string{name}
	}
	at := r.inString(n)
	r.within([]byte(n.Text), headings, func(p source.Pos) source.Pos { return r.place(at(p)) })
}

// within reads a script inside the file. Its commands are those of a script of
// their own.
func (r *reader) within(text []byte, headings []string, at func(source.Pos) source.Pos) {
	p, err := script.Within(r.file, text, headings, at)
	if err == nil {
		before := *r.scripts
		for _, c := range p.Commands {
			c.Script += before
			*r.scripts = max(*r.scripts, c.Script)
		}
		for i := range p.Written {
			p.Written[i].Script += before
		}
	}
	r.script(p, err)
}

// recipes reads the commands of a Makefile or a Dockerfile. It reports whether
// the file is one.
func (r *reader) recipes() bool {
	var line func([]byte) ([]byte, bool)
	switch name := strings.ToLower(path.Base(strings.ReplaceAll(r.file, `\`, "/"))); {
	case name == "makefile" || name == "gnumakefile" || strings.HasSuffix(name, ".mk"):
		line = recipe
	case name == "dockerfile" || name == "containerfile" || strings.HasPrefix(name, "dockerfile.") || strings.HasSuffix(name, ".dockerfile"):
		line = instruction()
	default:
		return false
	}
	var text []byte
	var doubled [][]int // per line, the columns of signs that stand twice in the file
	for raw := range bytes.Lines(r.data) {
		body, ok := line(raw)
		if !ok {
			body = raw[len(bytes.TrimRight(raw, "\r\n")):]
		}
		kept, columns := undoubled(body)
		text, doubled = append(text, kept...), append(doubled, columns)
	}
	r.is(ShellScript)
	r.within(text, nil, func(p source.Pos) source.Pos {
		if i := int(p.Line) - 1; i >= 0 && i < len(doubled) {
			column := p.Column
			for _, at := range doubled[i] {
				if int32(at) < column {
					p.Column++
				}
			}
		}
		return r.place(p)
	})
	return true
}

var makeVariable = lazy.Regexp(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// recipe returns the command of a line of a Makefile, at its place, with the
// variables of make as those of the shell.
func recipe(line []byte) ([]byte, bool) {
	if len(line) == 0 || line[0] != '\t' {
		return nil, false
	}
	body := bytes.Clone(line)
	for i := 0; i < len(body) && bytes.IndexByte([]byte("\t @-+"), body[i]) >= 0; i++ {
		body[i] = ' '
	}
	for _, at := range makeVariable.FindAllIndex(body, -1) {
		if at[0] == 0 || body[at[0]-1] != '$' {
			body[at[0]+1], body[at[1]-1] = '{', '}'
		}
	}
	return body, true
}

// instruction returns the command of each line of a Dockerfile that belongs to a
// RUN.
func instruction() func([]byte) ([]byte, bool) {
	goesOn := false
	return func(line []byte) ([]byte, bool) {
		body := bytes.Clone(line)
		if !goesOn {
			word := bytes.TrimLeft(body, " \t")
			if len(word) < 4 || !bytes.EqualFold(word[:3], []byte("RUN")) || !isBlank(word[3]) {
				return nil, false
			}
			copy(word, "   ")
		}
		goesOn = bytes.HasSuffix(bytes.TrimRight(body, " \t\r\n"), []byte(`\`))
		return body, true
	}
}

// undoubled returns a line with $ for $$, and the columns of what it left out.
func undoubled(line []byte) ([]byte, []int) {
	var columns []int
	for from := 0; ; {
		at := bytes.Index(line[from:], []byte("$$"))
		if at < 0 {
			return line, columns
		}
		from += at + 1
		columns = append(columns, from)
		line = append(line[:from:from], line[from+1:]...)
	}
}
