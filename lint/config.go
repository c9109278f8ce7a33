package lint

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// ConfigName is the file in which a directory says what lint is not to tell.
const ConfigName = "keyreach-lint.yaml"

// Config is that file.
type Config struct {
	FormatVersion int      `json:"format_version"`
	Ignore        []Ignore `json:"ignore"`
}

var ruleID = regexp.MustCompile(`^[A-Z]+[0-9]{3}$`)

// ReadConfig reads the configuration. The error is an *estate.FileError with
// everything that is wrong.
func ReadConfig(file string, data []byte) (*Config, error) {
	p := estate.Problems{File: file, Data: data}
	n, _, err := source.Parse(data)
	var syntax *source.SyntaxError
	if errors.As(err, &syntax) {
		p.Add(syntax.Pos, syntax.Text, "")
		return nil, p.Err()
	} else if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	c := &Config{}
	p.AddDecode(n, source.Decode(n, c))
	if c.FormatVersion != estate.FormatVersion {
		p.Add(n.Pos, fmt.Sprintf("the configuration has no format_version %d", estate.FormatVersion), fmt.Sprintf("write format_version: %d", estate.FormatVersion))
	}
	for i := range c.Ignore {
		c.Ignore[i].below = filepath.Dir(file)
		if text, hint := c.Ignore[i].wrong(); text != "" {
			at := n.Pos
			if item := n.At([]string{"ignore", strconv.Itoa(i)}); item != nil {
				at = item.Pos
			}
			p.Add(at, text, hint)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func known(id string) bool {
	_, ok := Lookup(id)
	return ok
}

func (g *Ignore) wrong() (text, hint string) {
	switch {
	case !ruleID.MatchString(g.Rule):
		return fmt.Sprintf("%q is no rule", g.Rule), "write its id, such as KEY014"
	case !known(g.Rule):
		if near := Near(g.Rule); near != "" {
			return "there is no rule " + g.Rule, "did you mean " + near + "?"
		}
		return "there is no rule " + g.Rule, "keyreach explain lists them"
	case g.Reason == "":
		return g.Rule + " is ignored without a reason", "write reason: and why"
	}
	if i := slices.IndexFunc(g.Files, func(p string) bool { _, err := path.Match(p, ""); return err != nil }); i >= 0 {
		return fmt.Sprintf("%q is no pattern of file names", g.Files[i]), `write names with * and ?, such as "legacy/*.json"`
	}
	return "", ""
}
