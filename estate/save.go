package estate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// AppendJSON appends the estate file: what Load reads back as an equal estate.
// The same estate always gives the same bytes.
func (e *Estate) AppendJSON(dst []byte) ([]byte, error) {
	out := *e
	out.FormatVersion = FormatVersion
	// A list that is there and empty says that there is none; null says nothing.
	out.Accounts = orEmpty(e.Accounts)
	out.Principals = orEmpty(e.Principals)
	out.Keys = orEmpty(e.Keys)
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&out); err != nil {
		return dst, fmt.Errorf("writing estate: %w", err)
	}
	return b.Bytes(), nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// WriteTo writes the estate file to w.
func (e *Estate) WriteTo(w io.Writer) (int64, error) {
	b, err := e.AppendJSON(nil)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	return int64(n), err
}

// line is a case in the order in which it is written.
type caseLine struct {
	FormatVersion int          `json:"format_version"`
	ID            string       `json:"id"`
	Request       requestLine  `json:"request"`
	Policies      policiesLine `json:"policies"`
	Grants        []any        `json:"grants,omitempty"`
	Key           *Key         `json:"key,omitempty"`
	Expect        string       `json:"expect,omitempty"`
}
