package estate_test

import (
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/keyreach/keyreach/estate"
)

// The schemas in docs/ are those that the program reads by, to the byte.
func TestPublishedSchemas(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"estate": estate.EstateSchema, "case": estate.CaseSchema} {
		published, err := os.ReadFile("../docs/" + name + ".schema.json")
		if err != nil || string(published) != text {
			t.Errorf("docs/%s.schema.json is not the one of the program (%v)", name, err)
		}
	}
}

// published compiles a schema as a stranger would.
func published(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("urn:test", v); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("urn:test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, text string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// The whole estate of the other tests is fine by the schema too.
func TestTheSchemaTakesTheWholeEstate(t *testing.T) {
	t.Parallel()
	if err := validate(published(t, estate.EstateSchema), whole); err != nil {
		t.Error(err)
	}
}
