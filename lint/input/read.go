package input

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// Format is what a file is, in the word that messages have for it.
type Format string

// The formats that are told apart.
const (
	KeyPolicy        Format = "key policy"
	IAMPolicy        Format = "IAM policy"
	TrustPolicy      Format = "trust policy"
	ControlPolicy    Format = "service control policy"
	ResourceControl  Format = "resource control policy"
	EndpointPolicy   Format = "endpoint policy"
	ResourcePolicy   Format = "resource policy"
	PolicyTemplate   Format = "template of a policy"
	CloudFormation   Format = "CloudFormation template"
	CDKTemplate      Format = "CDK template"
	Terraform        Format = "Terraform"
	TerraformPlan    Format = "Terraform plan"
	AnsibleTasks     Format = "Ansible tasks"
	KubernetesObject Format = "Kubernetes manifest"
	ShellScript      Format = "shell script"
	MarkdownText     Format = "Markdown"
	Grants           Format = "grants"
	EstateFile       Format = "estate"
	RoutesFile       Format = "keyreach.yaml"
	Other            Format = "other"
)

// Error says where and why a file, or a part of it, cannot be read.
type Error struct {
	Position finding.Position
	Text     string // what is wrong and what to do
}

func (e *Error) Error() string {
	if at := e.Position.String(); at != "" {
		return at + ": " + e.Text
	}
	return e.Text
}

// Problems returns every *Error in an error of Read.
func Problems(err error) []*Error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, one := range many.Unwrap() {
			all = append(all, Problems(one)...)
		}
		return all
	}
	var e *Error
	if errors.As(err, &e) {
		return []*Error{e}
	}
	return []*Error{{Text: err.Error()}}
}

// Limits beyond which no file is read.
const (
	maxBytes  = 64 << 20  // of a file
	maxValues = 2_000_000 // commas, colons and brackets, which bound the values of a tree
	maxErrors = 50        // of one file that are told
)

// Read makes material of a file; name is its name for positions, and a hint.
//
// An error is made of *Error values (see Problems), one for each part that
// cannot be read; material of the other parts is returned all the same, and is
// never nil. A file that can be read and holds nothing of interest is no error:
// its Format is Other.
func Read(name string, data []byte) (*rules.Material, error) {
	r := &reader{file: name, hint: hintOf(name), m: &rules.Material{File: name}, errs: new([]error), scripts: new(int)}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if r.readable(data) {
		r.data = data
		r.read()
	}
	if r.format == "" {
		r.format = Other
	}
	r.m.Format = string(r.format)
	return r.m, errors.Join(*r.errs...)
}

// readable refuses what is too large or no text.
func (r *reader) readable(data []byte) bool {
	if len(data) > maxBytes {
		r.fail(source.Pos{}, fmt.Sprintf("the file has %d bytes, more than the %d MiB that are read", len(data), maxBytes>>20))
		return false
	}
	values := 0
	for _, sign := range []byte(",:[{") {
		values += bytes.Count(data, []byte{sign})
	}
	if values > maxValues {
		r.fail(source.Pos{}, fmt.Sprintf("the file may have more than %d values: no such file is read", maxValues))
		return false
	}
	if at := bytes.IndexByte(data, 0); at >= 0 && !bytes.HasPrefix(data, []byte{0xff, 0xfe}) && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		r.fail(posAt(data, at), "the byte 0x00 stands here: this is no text")
		return false
	}
	if err := source.CheckUTF8(data); err != nil {
		r.syntax(err)
		return false
	}
	return true
}

// reader reads one file, or a text that stands inside one.
type reader struct {
	file   string
	hint   hint
	data   []byte
	starts []int // where the lines of data begin; see lineStarts
	// at turns a place in data into one of the file; nil when data is the file.
	at     func(source.Pos) source.Pos
	m      *rules.Material
	errs   *[]error
	format Format
	// scripts is the highest number that a script inside the file has.
	scripts *int
	// problems is what was tolerated when data was read.
	problems []source.Problem
	// template is set when placeholders were taken out before data was read, and
	// fragment when brackets had to be put around it.
	template, fragment bool
	// given is what is known of the policy that the text may be.
	given *rules.Policy
	// lowered are the places of texts that stand for expressions of a template.
	lowered map[source.Pos]bool
}

// part returns a reader for a text inside this one.
func (r *reader) part(data []byte, at func(source.Pos) source.Pos) *reader {
	outer := r.at
	place := at
	if outer != nil {
		place = func(p source.Pos) source.Pos { return outer(at(p)) }
	}
	return &reader{file: r.file, hint: r.hint, data: data, at: place, m: r.m, errs: r.errs, scripts: r.scripts, given: r.given}
}

// is notes what the file is; what was found first stays.
func (r *reader) is(f Format) {
	if r.format == "" {
		r.format = f
	}
}

// place turns a place in data into one of the file.
func (r *reader) place(p source.Pos) source.Pos {
	if r.at != nil && p.Line > 0 {
		return r.at(p)
	}
	return p
}

func (r *reader) position(p source.Pos) finding.Position {
	p = r.place(p)
	return finding.Position{File: r.file, Line: int(p.Line), Column: int(p.Column)}
}

// fail notes that something cannot be read.
func (r *reader) fail(at source.Pos, text string) {
	if len(*r.errs) < maxErrors {
		*r.errs = append(*r.errs, &Error{Position: r.position(at), Text: text})
	}
}

// syntax notes an error of a parser.
func (r *reader) syntax(err error) {
	var s *source.SyntaxError
	if errors.As(err, &s) {
		r.fail(s.Pos, s.Text)
		return
	}
	r.fail(source.Pos{}, err.Error())
}
