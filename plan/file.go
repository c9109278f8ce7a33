package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// planFile is a plan in a file, with its digest, and a seal over all that it says: also
// over what it tells people.
type planFile struct {
	Plan
	Written string `json:"digest"`
	Seal    string `json:"seal"`
}

// seal is the hash of everything that the plan says.
func (p *Plan) seal() string {
	h := sha256.Sum256([]byte(canonical(p)))
	return "sha256:" + hex.EncodeToString(h[:])
}

// AppendJSON appends the plan file: what Load reads back. A plan without steps has an
// empty list of them; one that says null, as files once did, is read as well.
func (p *Plan) AppendJSON(dst []byte) ([]byte, error) {
	whole := *p
	if whole.Steps == nil {
		whole.Steps = []Step{}
	}
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(planFile{Plan: whole, Written: whole.Digest(), Seal: whole.seal()}); err != nil {
		return dst, fmt.Errorf("writing the plan: %w", err)
	}
	return b.Bytes(), nil
}

// LoadFile reads the plan file at path.
func LoadFile(path string) (*Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	return Load(path, data)
}

// Load reads the text of a plan file; file is its name for messages. An error about what
// the text says is an *estate.FileError with everything that is wrong. A plan that was
// changed after it was made is one: its digest says so.
func Load(file string, data []byte) (*Plan, error) {
	r := &fileReader{estate.Problems{File: file, Data: data}}
	root, _, err := source.Parse(data)
	if err != nil {
		var syntax *source.SyntaxError
		if errors.As(err, &syntax) {
			r.Add(syntax.Pos, syntax.Text, "")
			return nil, r.Err()
		}
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if !r.version(root) {
		return nil, r.Err()
	}
	var f struct {
		planFields
		Written string `json:"digest"`
		Seal    string `json:"seal"`
	}
	r.AddDecode(root, source.Decode(root, &f))
	p := Plan(f.planFields)
	r.check(root, &p)
	if !r.Any() && f.Written != p.Digest() {
		r.Add(place(root, "digest"), "the digest does not fit: the plan was changed after it was made", "plan again; a plan is applied exactly as it was shown")
	}
	if !r.Any() && f.Seal != p.seal() {
		r.Add(place(root, "seal"), "the seal does not fit: what the plan tells was changed after it was made", "plan again; a plan is read exactly as it was shown")
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return &p, nil
}

// planFields is a Plan that is read member by member.
type planFields Plan

// fileReader gathers the problems of a plan file.
type fileReader struct{ estate.Problems }

func (r *fileReader) version(root *source.Node) bool {
	if root.Kind != source.Map {
		r.Add(root.Pos, "a plan is a map with format_version, steps and the rest; this is "+root.Kind.String(), "make one with keyreach plan --out FILE")
		return false
	}
	v := root.Field("format_version")
	switch {
	case v == nil:
		r.Add(root.Pos, "this is no plan: it has no format_version", "make one with keyreach plan --out FILE")
		return false
	case v.Kind != source.Number || v.Text != fmt.Sprint(FormatVersion):
		r.Add(v.Pos, fmt.Sprintf("the plan is of format_version %s, and this program reads %d", v.Text, FormatVersion), "plan again with this program")
		return false
	}
	return true
}

func place(root *source.Node, path ...string) source.Pos {
	for len(path) > 0 {
		if n := root.At(path); n != nil {
			return n.Pos
		}
		path = path[:len(path)-1]
	}
	return root.Pos
}

// check looks for what no type can say.
func (r *fileReader) check(root *source.Node, p *Plan) {
	if root.Field("digest") == nil {
		r.Add(root.Pos, "the plan has no digest", "plan again")
	}
	if r.Any() {
		return
	}
	if p.Kind != "open" && p.Kind != "revoke" {
		r.Add(place(root, "kind"), fmt.Sprintf("there is no kind of plan called %q", p.Kind), "it is open or revoke")
	}
	if len(p.Routes) == 0 {
		r.Add(place(root, "routes"), "the plan is for no route", "plan again")
	}
	if _, own := p.Own(); !own && len(p.Requests) > 0 {
		r.Add(place(root, "requests"), "the requests of the plan are none that a key could be used by", "plan again")
	}
	for i := range p.Steps {
		r.checkStep(root, i, &p.Steps[i])
	}
}

func (r *fileReader) checkStep(root *source.Node, i int, s *Step) {
	at := func(path ...string) source.Pos {
		return place(root, append([]string{"steps", fmt.Sprint(i)}, path...)...)
	}
	if s.Op == nil || s.Was == nil {
		r.Add(at(), "a step has op and was", "plan again")
		return
	}
	op, was := s.Op.Slot(), s.Was.Slot()
	if op.Kind == "grant" { // who issued the grant that is there is told by AWS
		was.Account = op.Account
	}
	if op != was {
		r.Add(at("was"), fmt.Sprintf("was is the %s, and op the %s", was, op), "both are of one thing; plan again")
	}
	if op.Subject == "" || op.Account == "" {
		r.Add(at("op"), "the op does not say what it changes in which account", "plan again")
	}
	for member, text := range documentsOf(s.Op) {
		if text == "" {
			continue
		}
		if _, _, err := policy.Read("", []byte(text)); err != nil {
			r.Add(at("op", member), "the text is no policy: "+err.Error(), "plan again")
		}
	}
}

// documentsOf are the policies in an op, by the member that holds them.
func documentsOf(op estate.Op) map[string]string {
	switch o := op.(type) {
	case *estate.KeyPolicy:
		return map[string]string{"document": o.Document}
	case *estate.NewKey:
		return map[string]string{"document": o.Document}
	case *estate.InlinePolicy:
		return map[string]string{"document": o.Document}
	case *estate.VaultPolicy:
		return map[string]string{"document": o.Document}
	case *estate.NewRole:
		return map[string]string{"trust": o.Trust}
	case *estate.BucketSetting:
		if o.Setting == estate.BucketPolicy {
			return map[string]string{"text": o.Text}
		}
	}
	return nil
}

// UnmarshalNode reads a step of a plan file.
func (s *Step) UnmarshalNode(n *source.Node) error {
	var f struct {
		Op     opNode   `json:"op"`
		Was    opNode   `json:"was"`
		Why    string   `json:"why"`
		Routes []string `json:"routes"`
		Gone   []string `json:"gone"`
	}
	if err := source.Decode(n, &f); err != nil {
		return err
	}
	*s = Step{Op: f.Op.Op, Was: f.Was.Op, Why: f.Why, Routes: f.Routes, Gone: f.Gone}
	return nil
}

// opNode is an op as it is read.
type opNode struct{ estate.Op }

// UnmarshalNode reads an op by its word.
func (o *opNode) UnmarshalNode(n *source.Node) error {
	if n.Kind != source.Map {
		return &source.SyntaxError{Pos: n.Pos, Text: "an op is a map with op and its members; this is " + n.Kind.String()}
	}
	word := n.Field("op")
	if word == nil {
		return &source.SyntaxError{Pos: n.Pos, Text: "the op does not say what it is: op is missing"}
	}
	op, ok := estate.NewOp(word.Text)
	if !ok {
		text := fmt.Sprintf("there is no op %q", word.Text)
		if near := source.Suggest(word.Text, estate.OpKinds()); near != "" {
			text += "; did you mean " + near + "?"
		}
		return &source.SyntaxError{Pos: word.Pos, Text: text}
	}
	rest := *n
	rest.Fields = slices.DeleteFunc(slices.Clone(n.Fields), func(f source.Field) bool { return f.Name == "op" })
	if err := source.Decode(&rest, op); err != nil {
		return err
	}
	o.Op = op
	return nil
}
