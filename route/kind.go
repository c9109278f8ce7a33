package route

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/usage"
)

// Kind is a way by which encrypted data travels, as data: who takes part and
// which AWS operations happen in which order. Texts may hold {name} and
// {party.member}, which a declared route fills in.
type Kind struct {
	FormatVersion int         `json:"format_version"`
	Name          string      `json:"kind"`
	About         string      `json:"about"`
	Source        string      `json:"source"`
	Parties       []PartyKind `json:"parties"`
	Steps         []StepKind  `json:"steps"`
}

// PartyKind is one participant that routes of a kind name.
type PartyKind struct {
	Name     string `json:"name"`
	About    string `json:"about"`
	Required bool   `json:"required,omitempty"`
	// Many is set when a route names any number of such parties. Their steps are
	// taken once for each.
	Many bool `json:"many,omitempty"`
	// Source is set when the data lies with the party: {source@REGION} is then the
	// key under which it lies in a Region.
	Source bool `json:"source,omitempty"`
	// In is the part of a route in which the party stands; empty for the route itself.
	In string `json:"in,omitempty"`
	// Key and Actor are required, optional, or empty when the party has none. An
	// actor may also be consumer: a way of consuming stands for the principal.
	Key   string `json:"key,omitempty"`
	Actor string `json:"actor,omitempty"`
}

// The words of Key and Actor.
const (
	required = "required"
	consumer = "consumer"
)

// StepKind is one AWS operation of a kind.
type StepKind struct {
	Name  string `json:"name"`
	About string `json:"about"`
	// Party is where the step happens: its account and Region.
	Party string `json:"party"`
	// When and Unless name a party, or a member of one, that the route must or
	// must not have for the step to be part of it.
	When   string `json:"when,omitempty"`
	Unless string `json:"unless,omitempty"`
	// Actor is the principal that KMS sees.
	Actor string `json:"actor"`
	// Operation and Scenario choose the rows of package usage.
	Operation string `json:"operation"`
	Scenario  string `json:"scenario,omitempty"`
	// Each is wrap when the uses are made once for each key that opens a backup by itself,
	// which is {wrap.key} then.
	Each string `json:"each,omitempty"`
	// Keys says which key plays which part in the operation.
	Keys          map[string]string `json:"keys,omitempty"`
	Preconditions []PreconditionRow `json:"preconditions,omitempty"`
	// Rule is the id of the finding when a required use of the step is blocked.
	Rule string `json:"rule,omitempty"`
	// Leaves is the encrypted thing that exists after the step.
	Leaves *Artifact `json:"leaves,omitempty"`

	uses []usage.Use // in place of those of package usage, of a route that nobody declared
}

// keyUses are the key uses that the step makes.
func (k *StepKind) keyUses() []usage.Use {
	if k.uses != nil {
		return k.uses
	}
	return usage.Of(k.Operation, k.Scenario)
}

// Artifact is an encrypted thing of a route: where it lies, under which key,
// and which step opens it.
type Artifact struct {
	What    string `json:"what"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Key     string `json:"key"`
	Opens   string `json:"opens,omitempty"` // the name of the step
	// Keys are those of which each opens what Key lets be read, and Offline what opens it
	// without AWS; neither is there for a thing that Key alone opens.
	Keys    []string `json:"keys,omitempty"`
	Offline []string `json:"offline,omitempty"`
	// Store is where it lies, when that is said.
	Store string `json:"store,omitempty"`
}

// PreconditionRow is a fact that a step needs and that is no permission.
type PreconditionRow struct {
	Check      string            `json:"check"`
	Args       map[string]string `json:"args"`
	Text       string            `json:"text"`
	Rule       string            `json:"rule,omitempty"`
	Confidence usage.Confidence  `json:"confidence,omitempty"` // documented unless said
	Source     string            `json:"source,omitempty"`
}

//go:embed kinds/*.yaml
var kindFiles embed.FS

// kinds reads the embedded kinds once. Tests validate them, so reading cannot
// fail in a build that passed.
var kinds = sync.OnceValue(func() []Kind {
	entries, err := kindFiles.ReadDir("kinds")
	if err != nil {
		panic(fmt.Sprintf("route: listing the embedded kinds: %v", err))
	}
	var ks []Kind
	for _, e := range entries {
		k, err := readKind(path.Join("kinds", e.Name()))
		if err != nil {
			panic(fmt.Sprintf("route: %v", err))
		}
		ks = append(ks, k)
	}
	slices.SortFunc(ks, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return ks
})

func readKind(name string) (Kind, error) {
	data, err := kindFiles.ReadFile(name)
	if err != nil {
		return Kind{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return ReadKind(name, data)
}

// ReadKind reads the text of a kind; name is for messages.
func ReadKind(name string, data []byte) (Kind, error) {
	var k Kind
	n, _, err := source.Parse(data)
	if err == nil {
		err = source.Decode(n, &k)
	}
	if err != nil {
		return k, fmt.Errorf("reading %s: %w", name, err)
	}
	return k, nil
}

// Kinds returns every route kind, by name.
func Kinds() []Kind { return slices.Clone(kinds()) }

// KindNamed returns the kind with this name.
func KindNamed(name string) (Kind, bool) {
	for _, k := range kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Party returns the kind's party with this name.
func (k *Kind) Party(name string) (PartyKind, bool) {
	for _, p := range k.Parties {
		if p.Name == name {
			return p, true
		}
	}
	return PartyKind{}, false
}

// Declared returns the parties that stand in a route itself, and not in a part of it.
func (k *Kind) Declared() []PartyKind {
	return slices.DeleteFunc(slices.Clone(k.Parties), func(p PartyKind) bool { return p.In != "" })
}

// HasBackup reports whether routes of the kind can have a backup part.
func (k *Kind) HasBackup() bool {
	return slices.ContainsFunc(k.Parties, func(p PartyKind) bool { return p.In == backupPart })
}

// values are what the braces of a kind's texts stand for in one route.
type values map[string]string

// has reports whether the route has the party or the member.
func (v values) has(name string) bool {
	if !strings.Contains(name, ".") {
		name += ".account"
	}
	return v[name] != ""
}

// fill replaces every {name}. In {a|b} the first that has a value counts, and
// {a@b} is the value called a@ and then what b stands for. A name without a
// value is a *MissingError, so that half a name never becomes a question.
func (v values) fill(text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		names, after, ok := strings.Cut(rest, "}")
		if !ok {
			return "", fmt.Errorf("filling in %q: a brace is not closed", text)
		}
		value := ""
		for name := range strings.SplitSeq(names, "|") {
			if value = v.lookup(name); value != "" {
				break
			}
		}
		if value == "" {
			return "", &MissingError{Name: names, Region: v.lookup(afterAt(names))}
		}
		b.WriteString(value)
		text = after
	}
}

func (v values) lookup(name string) string {
	if head, tail, ok := strings.Cut(name, "@"); ok {
		return v[head+"@"+v[tail]]
	}
	return v[name]
}

func afterAt(name string) string {
	_, tail, _ := strings.Cut(name, "@")
	return tail
}

// MissingError says that a route lacks something its kind needs.
type MissingError struct {
	Name string
	// Region is set when the data does not lie where it is needed.
	Region string
}

func (e *MissingError) Error() string {
	if e.Region != "" {
		return "the data does not lie in " + e.Region
	}
	return "the route does not say " + strings.NewReplacer(".", "'s ", "|", ", and it is not known either: ").Replace(e.Name)
}
