package script

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/keyreach/keyreach/lint/rules"
)

// written notes the file that a program other than the AWS CLI writes: by a
// redirection, or by the argument that names it.
func (w *walker) written(s *syntax.Stmt, values []value) {
	if len(values) == 0 {
		return
	}
	file := w.out(s)
	if file == "" {
		file = names(values)
	}
	if file == "" {
		return
	}
	one := rules.Written{Pos: w.r.place(values[0].at), File: path.Clean(file), Script: w.number}
	if program := values[0].text; len(values) > 1 && (program == "echo" || program == "printf") {
		one.Variable = strings.Trim(strings.TrimPrefix(values[len(values)-1].text, "$"), "{}")
		if !strings.HasPrefix(values[len(values)-1].text, "$") || !syntax.ValidName(one.Variable) {
			one.Variable = ""
		}
	}
	w.r.out.Written = append(w.r.out.Written, one)
}

// names returns the file that the arguments of a program name for its output.
func names(values []value) string {
	last := values[len(values)-1].text
	switch program := base(values[0].text); program {
	case "mv", "cp", "install":
		if len(values) > 1 && !strings.HasPrefix(last, "-") {
			return last
		}
	case "base64", "openssl", "certutil", "xxd":
		for i := 1; i+1 < len(values); i++ {
			if option := values[i].text; option == "-o" || option == "-out" || option == "--output" {
				return values[i+1].text
			}
		}
	}
	return ""
}
