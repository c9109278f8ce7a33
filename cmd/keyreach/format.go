package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// format is how a command prints its answer.
type format string

const (
	textFormat     format = "text"
	jsonFormat     format = "json"
	yamlFormat     format = "yaml"
	markdownFormat format = "markdown"
)

// choice is a flag that is one of some words.
type choice[T ~string] struct {
	value *T
	of    []T
}

// oneOf makes a flag of a value that has its default already.
func oneOf[T ~string](value *T, of ...T) *choice[T] { return &choice[T]{value: value, of: of} }

// anyFormat makes a flag of the format of what documents are made of too.
func anyFormat(f *format) *choice[format] {
	return oneOf(f, textFormat, jsonFormat, yamlFormat, markdownFormat)
}

// String, Set and Type are those of a flag.
func (c *choice[T]) String() string { return string(*c.value) }

func (c *choice[T]) Set(s string) error {
	if !slices.Contains(c.of, T(s)) {
		return fmt.Errorf("it is one of %s", c.words(", "))
	}
	*c.value = T(s)
	return nil
}

func (c *choice[T]) Type() string { return c.words("|") }

func (c *choice[T]) words(between string) string {
	var b strings.Builder
	for i, word := range c.of {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(string(word))
	}
	return b.String()
}

// dataFormat is a format of what no document is made of, and a flag.
type dataFormat struct{ format }

func (f *dataFormat) choice() *choice[format] {
	return oneOf(&f.format, textFormat, jsonFormat, yamlFormat)
}

func (f *dataFormat) String() string     { return f.choice().String() }
func (f *dataFormat) Set(s string) error { return f.choice().Set(s) }
func (f *dataFormat) Type() string       { return f.choice().Type() }

// writeData prints a value as JSON or YAML.
func (f format) writeData(w io.Writer, value any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("writing %s: %w", f, err)
	}
	data := b.Bytes()
	if f == yamlFormat {
		var err error
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("writing %s: %w", f, err)
		}
	}
	_, err := w.Write(data)
	return err
}

// writeLine prints a value as JSON on one line, for logs that take a run's last line, or as
// YAML.
func (f format) writeLine(w io.Writer, value any) error {
	if f != jsonFormat {
		return f.writeData(w, value)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("writing %s: %w", f, err)
	}
	return nil
}

// output opens where the answer goes: the file when one is named.
func (s *streams) output(path string, write func(io.Writer) error) error {
	if path == "" {
		return write(s.out)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
