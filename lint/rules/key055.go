package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key055() Rule {
	return Rule{
		ID: "KEY055", Severity: finding.Error,
		Title: "Base64 is passed where the bytes are meant",
		Text: "With `--query CiphertextBlob --output text` the CLI writes base64. `fileb://` passes what is in the file as it is, so KMS gets the " +
			"letters of the base64, and answers InvalidCiphertextException.",
		Fix:   "Decode on the way: `| base64 --decode > file`.",
		Page:  "https://docs.aws.amazon.com/cli/latest/reference/kms/decrypt.html",
		Check: base64AsBytes,
		Fires: []Example{
			{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s --query CiphertextBlob --output text > out.txt\n" +
				"aws kms decrypt --ciphertext-blob fileb://out.txt --query Plaintext --output text\n"},
			{"script.sh", "BLOB=$(aws kms encrypt --key-id alias/app --plaintext fileb://s --query CiphertextBlob --output text)\necho \"$BLOB\" > out.txt\naws kms decrypt --ciphertext-blob fileb://out.txt\n"},
		},
		Silent: []Example{
			{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s --query CiphertextBlob --output text | base64 --decode > out.bin\n" +
				"aws kms decrypt --ciphertext-blob fileb://out.bin --query Plaintext --output text\n"},
			{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s --query CiphertextBlob --output text > out\nbase64 -d out > out.tmp && mv out.tmp out\naws kms decrypt --ciphertext-blob fileb://out\n"},
		},
	}
}

func base64AsBytes(m *Material, r *Report) {
	encoded, kept := map[string]*Command{}, m.byVariable()
	for _, c := range m.Commands {
		if c.Service != "kms" {
			continue
		}
		if w, ok := c.Value("--ciphertext-blob"); ok && strings.HasPrefix(w.Text, "fileb://") {
			by := encoded[plainFile(w.Text)]
			if by == nil {
				if k := kept[scriptFile{c.Script, plainFile(w.Text)}]; k.line <= c.Pos.Line {
					by = k.by
				}
			}
			if by != nil && !m.overwritten(plainFile(w.Text), by, c) {
				r.Add(w.Pos, c.name(), plainFile(w.Text)+" holds base64, as "+by.name()+" wrote it: KMS takes the bytes and cannot decrypt it",
					"write it with | base64 --decode")
			}
		}
		if file, decoded := written(c); file != "" {
			delete(encoded, plainFile(file))
			if !decoded && encodes(c) {
				encoded[plainFile(file)] = c
			}
		}
	}
}

// overwritten reports whether another program writes a file between two commands.
func (m *Material) overwritten(file string, from, to *Command) bool {
	return slices.ContainsFunc(m.Written, func(w Written) bool {
		return w.File == file && w.Variable == "" && from.Pos.Line < w.Pos.Line && w.Pos.Line <= to.Pos.Line
	})
}

// scriptFile is a place of a file: the script that writes it, and its name.
type scriptFile struct {
	script int
	file   string
}

// keptBase64 is base64 that a script keeps in a variable and writes into a file.
type keptBase64 struct {
	line int
	by   *Command
}

// byVariable returns the files into which scripts write base64 out of variables,
// each where that happens first.
func (m *Material) byVariable() map[scriptFile]keptBase64 {
	holds := map[scriptFile]*Command{} // the second part is the variable
	for _, c := range m.Commands {
		if c.Into == "" || !encodes(c) {
			continue
		}
		if _, decoded := written(c); !decoded && holds[scriptFile{c.Script, c.Into}] == nil {
			holds[scriptFile{c.Script, c.Into}] = c
		}
	}
	kept := map[scriptFile]keptBase64{}
	for _, w := range m.Written {
		at := scriptFile{w.Script, w.File}
		by := holds[scriptFile{w.Script, w.Variable}]
		if _, known := kept[at]; !known && w.Variable != "" && by != nil && by.Pos.Line <= w.Pos.Line {
			kept[at] = keptBase64{w.Pos.Line, by}
		}
	}
	return kept
}

// encodes reports whether the output of a command is ciphertext in base64.
func encodes(c *Command) bool {
	return c.Service == "kms" && (c.Operation == "encrypt" || strings.HasPrefix(c.Operation, "generate-data-key") || c.Operation == "re-encrypt")
}

func plainFile(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "fileb://"), "file://")
	return path.Clean(name)
}

// written returns the file that a command's output ends in, and whether it was
// decoded from base64 on the way.
func written(c *Command) (file string, decoded bool) {
	file = c.Out
	for p := c.Pipe; p != nil; p = p.Next {
		var words []string
		for _, w := range p.Words {
			words = append(words, w.Text)
		}
		if len(words) == 0 {
			continue
		}
		takes := func(options ...string) bool {
			return slices.ContainsFunc(words[1:], func(w string) bool { return slices.Contains(options, w) })
		}
		switch words[0] {
		case "base64", "openssl":
			decoded = decoded || takes("-d", "-D", "--decode", "-di", "--d")
		case "tee":
			if last := words[len(words)-1]; len(words) > 1 && !strings.HasPrefix(last, "-") {
				file = last
			}
		case "python", "python3", "perl", "xxd", "node":
			decoded = true // whatever it does
		}
	}
	return file, decoded
}
