package route

import (
	_ "embed" // for the part of the schema that does not depend on the kinds
	"encoding/json"
	"fmt"
)

//go:embed keyreach.schema.json
var schemaText []byte

// FileSchema returns the JSON Schema of keyreach.yaml, which docs/ publishes.
// What a route may say follows from the kinds and the consumers.
func FileSchema() ([]byte, error) {
	var schema map[string]any
	if err := json.Unmarshal(schemaText, &schema); err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	defs, ok := schema["$defs"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading the schema: it has no $defs")
	}
	var names []any
	for _, c := range Consumers() {
		names = append(names, c.Name)
	}
	alternatives, _ := defs["party"].(map[string]any)["anyOf"].([]any)
	for _, a := range alternatives {
		if properties, ok := a.(map[string]any)["properties"].(map[string]any); ok {
			properties["as"].(map[string]any)["enum"] = names
		}
	}
	defs["route"] = routeSchema()
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(text, '\n'), nil
}

func routeSchema() map[string]any {
	var forms []any
	for _, k := range Kinds() {
		properties := map[string]any{"name": true, "kind": map[string]any{"const": k.Name}}
		required := []any{}
		for _, p := range k.Parties {
			if p.In != "" {
				properties[p.In] = map[string]any{"$ref": "#/$defs/" + p.In}
				continue
			}
			form := "#/$defs/party"
			if p.Many {
				form = "#/$defs/parties"
			}
			properties[p.Name] = map[string]any{"$ref": form, "description": p.About}
			if p.Required {
				required = append(required, p.Name)
			}
		}
		forms = append(forms, map[string]any{
			"title": k.Name, "description": k.About, "properties": properties, "required": required, "additionalProperties": false,
		})
	}
	return map[string]any{
		"title": "route", "type": "object", "required": []any{"name", "kind"},
		"properties": map[string]any{"name": map[string]any{"type": "string", "minLength": 1}},
		"oneOf":      forms,
	}
}
