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
		Fires: []Example{{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s --query CiphertextBlob --output text > out.txt\n" +
			"aws kms decrypt --ciphertext-blob fileb://out.txt --query Plaintext --output text\n"}},
		Silent: []Example{{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://s --query CiphertextBlob --output text | base64 --decode > out.bin\n" +
			"aws kms decrypt --ciphertext-blob fileb://out.bin --query Plaintext --output text\n"}},
	}
}

func base64AsBytes(m *Material, r *Report) {
	encoded := map[string]*Command{}
	for _, c := range m.Commands {
		if c.Service != "kms" {
			continue
		}
		if w, ok := c.Value("--ciphertext-blob"); ok && strings.HasPrefix(w.Text, "fileb://") {
			by := encoded[plainFile(w.Text)]
			if by == nil {
				by = m.byVariable(plainFile(w.Text), c)
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

// byVariable returns the command whose base64 a script keeps in a variable and
// then writes into a file that a later command reads.
func (m *Material) byVariable(file string, reads *Command) *Command {
	for _, w := range m.Written {
		if w.Variable == "" || w.File != file || w.Script != reads.Script || w.Pos.Line > reads.Pos.Line {
			continue
		}
		for _, c := range m.Commands {
			if _, decoded := written(c); c.Into == w.Variable && c.Script == w.Script && c.Pos.Line <= w.Pos.Line && encodes(c) && !decoded {
				return c
			}
		}
	}
	return nil
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
