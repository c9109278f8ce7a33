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

var formats = []string{string(textFormat), string(jsonFormat), string(yamlFormat), string(markdownFormat)}

// String, Set and Type make a format a flag.
func (f *format) String() string { return string(*f) }

func (f *format) Set(s string) error {
	if !slices.Contains(formats, s) {
		return fmt.Errorf("it is one of %s", strings.Join(formats, ", "))
	}
	*f = format(s)
	return nil
}

func (f *format) Type() string { return strings.Join(formats, "|") }

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
