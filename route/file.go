package route

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// FileName is the name under which a file of routes is looked for.
const FileName = "keyreach.yaml"

// File is keyreach.yaml: the accounts, how to get into them and who acts
// there, and the routes that have to stand.
type File struct {
	Path     string
	Estate   string // path of the estate file as written; empty when not said
	Accounts map[string]Account
	Routes   []Route

	data []byte       // the text, and
	root *source.Node // its tree
}

// Wrong tells what of a route does not do for what is asked of it, at the place of a member
// of it, or where that is not said of the nearest around it. It is an *estate.FileError.
func (f *File) Wrong(route, text, hint string, path ...string) error {
	p := estate.Problems{File: f.Path, Data: f.data}
	var at source.Pos
	if f.root != nil {
		if list := f.root.Field("routes"); list != nil {
			for i := range list.Items {
				if name := list.Items[i].Field("name"); name != nil && name.Text == route {
					at = placeOf(&list.Items[i], path...)
				}
			}
		}
	}
	p.Add(at, text, hint)
	return p.Err()
}

// Account is one account of the file.
type Account struct {
	ID     string
	Region string
	Access Access
	Actor  Actor
}

// Access says how to get into an account: with a profile, or by assuming a
// role, from another account of the file when Via names one.
type Access struct {
	Profile    string `json:"profile,omitempty"`
	RoleARN    string `json:"role_arn,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	Via        string `json:"via,omitempty"`
}

// LoadFile reads the file at path.
func LoadFile(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading routes: %w", err)
	}
	return Load(path, data)
}

// Load reads the text of a file; path is its name for messages. An error about
// what the text says is an *estate.FileError with everything that is wrong.
func Load(path string, data []byte) (*File, error) {
	r := fileReader{Problems: estate.Problems{File: path, Data: data}, file: &File{Path: path, Accounts: map[string]Account{}}}
	root, problems, err := source.Parse(data)
	if err != nil {
		var syntax *source.SyntaxError
		if errors.As(err, &syntax) {
			r.Add(syntax.Pos, syntax.Text, "")
			return nil, r.Err()
		}
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	r.root = root
	for _, p := range problems {
		if p.Kind == source.DuplicateKey {
			r.Add(p.Pos, fmt.Sprintf("%q stands twice in this map", p.Text), "keep one of the two")
		}
	}
	r.read()
	if err := r.Err(); err != nil {
		return nil, err
	}
	r.file.data, r.file.root = data, root
	return r.file, nil
}

// EstatePath returns the path of the estate file that belongs to the routes:
// the one the file names, or estate.json beside it.
func (f *File) EstatePath() string {
	name := cmp.Or(f.Estate, "estate.json")
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.Path), name)
}

// fileReader turns the tree into a File and gathers what is wrong.
type fileReader struct {
	estate.Problems
	root    *source.Node
	file    *File
	written map[string]*writtenAccount
}

// byteAt returns the byte of the text that stands at a place, or zero.
func (r *fileReader) byteAt(at source.Pos) byte {
	line := int32(1)
	for text := range bytes.Lines(r.Data) {
		if line == at.Line && at.Column > 0 && int(at.Column) <= len(text) {
			return text[at.Column-1]
		}
		line++
	}
	return 0
}

// written is the outside of the file; accounts and routes are read from the
// tree, because messages about them need places.
type written struct {
	FormatVersion int                        `json:"format_version"`
	Estate        string                     `json:"estate"`
	Accounts      map[string]*writtenAccount `json:"accounts"`
	Routes        []writtenRoute             `json:"routes"`
}

func (r *fileReader) read() {
	if r.root.Kind != source.Map {
		r.Add(r.root.Pos, "the file is a map with accounts and routes; this is "+r.root.Kind.String(), "")
		return
	}
	w := written{FormatVersion: estate.FormatVersion}
	r.AddDecode(r.root, source.Decode(r.root, &w))
	if v := r.root.Field("format_version"); v != nil && w.FormatVersion != estate.FormatVersion {
		r.Add(v.Pos, fmt.Sprintf("the file is of format_version %s, and this program reads %d", v.Text, estate.FormatVersion), "use the program that it was written for")
		return
	}
	r.file.Estate, r.written = w.Estate, w.Accounts
	for name, a := range w.Accounts {
		if a != nil {
			r.account(name, a)
		} else if n := r.root.At([]string{"accounts", name}); n != nil && n.Kind == source.Null {
			r.Add(n.Pos, fmt.Sprintf("account %s has no id", name), `add id: "111122223333"`)
		}
	}
	r.chains()
	if len(w.Routes) == 0 && !r.Any() {
		r.Add(r.root.Pos, "the file declares no route", "add routes: with a name and a kind ("+strings.Join(kindNames(), ", ")+")")
	}
	seen := map[string]bool{}
	for i := range w.Routes {
		if route := r.route(&w.Routes[i]); route != nil {
			if seen[route.Name] {
				r.Add(w.Routes[i].at("name"), fmt.Sprintf("there are two routes called %q", route.Name), "give each a name of its own")
			}
			seen[route.Name] = true
			r.file.Routes = append(r.file.Routes, *route)
		}
	}
	for i := range w.Routes {
		r.ends(w.Routes[i].Name, w.Routes[i].backup)
	}
}

func kindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// near is a hint at the name that was most likely meant, or a list of all.
func near(name string, known []string) string {
	if n := source.Suggest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	if len(known) == 0 {
		return ""
	}
	slices.Sort(known)
	return "there is " + strings.Join(known, ", ")
}
