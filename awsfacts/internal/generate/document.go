package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// section is one member of a table: a map of rows or a list of names.
type section struct {
	name string
	rows any
}

// document prints a table with one row a line, so that a refresh can be read as a
// diff, and otherwise without white space.
func document(from origin, sections []section) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n%q:%q,\n%q:%q,\n%q:%q,\n%q:%q",
		"source", from.source, "version", from.version, "licence", from.licence, "date", from.date)
	for _, s := range sections {
		fmt.Fprintf(&b, ",\n%q:", s.name)
		rows, ok := s.rows.(map[string]any)
		if !ok {
			b.Write(compact(s.rows))
			continue
		}
		b.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(rows)) {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "\n%s:%s", compact(key), compact(rows[key]))
		}
		b.WriteString("\n}")
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}

// compact prints strings, lists and maps of strings, none of which can fail.
func compact(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("generate: unprintable row: " + err.Error())
	}
	return text
}
