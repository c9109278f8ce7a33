package script

import (
	"path"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// looksJSON reports whether a text begins as a JSON map or list does, and not as
// a query of JMESPath or a template does.
func looksJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	if text == "" || text[0] != '{' && text[0] != '[' {
		return false
	}
	rest := strings.TrimLeft(text[1:], " \t\r\n")
	if rest == "" {
		return false
	}
	if text[0] == '[' {
		return rest[0] == '"' || rest[0] == '{' && looksJSON(rest)
	}
	return rest[0] == '"' || rest[0] == '}' || strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*") || strings.HasPrefix(rest, "...")
}

var (
	yamlStart = lazy.Regexp(`(?m)\A(?:[ \t]*(?:#[^\n]*)?\r?\n|---[ \t]*\r?\n)*(?:- )?["']?(?:AWSTemplateFormatVersion|Version|Resources|Statement|Sid|apiVersion|kind|Transform|KeyPolicy|Type|Properties|hosts|name|Effect|Parameters|Description)["']?:(?:\s|\z)`)
	hclStart  = lazy.Regexp(`(?m)^[ \t]*(?:resource|data|module|provider|variable|output)[ \t]+"[^"\n]+"|^[ \t]*(?:locals|terraform)[ \t]*\{`)
	shebang   = lazy.Regexp(`\A#!\s*\S*(?:/|\s)(?:env\s+)?(?:ba|z|k|da|a)?sh\b`)
)

// languageOf tells the language of a file by its name, or by its text.
func languageOf(name, text string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".json", ".json5", ".jsonc":
		return "json"
	case ".yaml", ".yml":
		return "yaml"
	case ".tf", ".hcl", ".tfvars":
		return "hcl"
	case ".sh", ".bash", ".zsh", ".ksh":
		return "sh"
	case ".py":
		return "python"
	case ".js", ".ts", ".mjs":
		return "javascript"
	}
	switch {
	case looksJSON(text):
		return "json"
	case shebang.MatchString(text):
		return "sh"
	case hclStart.MatchString(text):
		return "hcl"
	case yamlStart.MatchString(text):
		return "yaml"
	}
	return ""
}

// fenceLanguage brings the names of languages that fences have to one each; read
// says whether it is a language of scripts or of parts, or one that may be
// anything.
func fenceLanguage(info string) string {
	info = strings.TrimLeft(strings.TrimSpace(info), "{. ")
	if i := strings.IndexAny(info, " \t,:{}"); i >= 0 {
		info = info[:i]
	}
	switch info = strings.ToLower(info); info {
	case "json", "json5", "jsonc", "hjson", "js-json":
		return "json"
	case "yaml", "yml", "cfn", "cloudformation":
		return "yaml"
	case "hcl", "tf", "terraform", "hcl2":
		return "hcl"
	case "text", "txt", "plaintext", "plain", "none", "output", "log":
		return ""
	case "bash", "sh", "shell", "zsh", "ksh", "fish", "dash", "shellscript", "bats":
		return "sh"
	case "py", "python3":
		return "python"
	}
	return info
}
