package policy

import "strings"

// A placeholder is a part of a text that somebody still has to fill in. In
// which spellings people leave them was counted in public repositories: ${name},
// <name>, {{ name }}, {name}, #{name}, $NAME, and words such as ACCOUNT_ID.

// hasPlaceholder reports whether a text holds a placeholder. It is asked of
// every text of a policy, so that the usual text is passed in one look.
func hasPlaceholder(text string) bool {
	if !mayHold(text) {
		return false
	}
	return len(placeholderSpans(text)) > 0
}

// HasPlaceholder reports whether a text that is no policy itself, such as a
// word of a command, holds what Value.Unknown means by a placeholder.
func HasPlaceholder(text string) bool { return hasPlaceholder(text) }

// mayHold reports whether the text has any of the characters without which no
// placeholder can be written.
func mayHold(text string) bool {
	capitals := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z':
			if capitals++; capitals == 2 {
				return true
			}
			continue
		case c == '$', c == '<', c == '{':
			return true
		}
		capitals = 0
	}
	return wordInARN(text) != nil || strings.Contains(text, "your-") || strings.Contains(text, "xxxx")
}

// placeholderSpans returns the beginning and end of each placeholder, in order
// and apart.
func placeholderSpans(text string) [][2]int {
	var spans [][2]int
	for i := 0; i < len(text); {
		n := placeholderAt(text, i)
		if n == 0 {
			i++
			continue
		}
		if n > 0 {
			spans = append(spans, [2]int{i, i + n})
		} else {
			n = -n // read, and none
		}
		i += n
	}
	if span := wordInARN(masked(text, spans)); span != nil {
		spans = insert(spans, *span)
	}
	return spans
}

// placeholderAt returns the length of the placeholder at i, 0 for none, and the
// negative length of something else that is passed over as a whole.
func placeholderAt(text string, i int) int {
	rest := text[i:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "${"):
		return dollarBrace(rest)
	case c == '$':
		return dollarName(rest)
	case strings.HasPrefix(rest, "{{"):
		return enclosed(rest, "{{", "}}")
	case strings.HasPrefix(rest, "#{"):
		return enclosed(rest, "#{", "}")
	case c == '{':
		if n := enclosed(rest, "{", "}"); n > 0 && isName(rest[1:n-1]) {
			return n
		}
	case c == '<':
		if n := enclosed(rest, "<", ">"); n > 2 && isLetter(rest[1]) {
			return n
		}
	case isWordByte(c):
		n := 1
		for n < len(rest) && isWordByte(rest[n]) {
			n++
		}
		if isBlankWord(rest[:n]) {
			return n
		}
		return -n
	}
	return 0
}

// dollarBrace reads ${…}. A policy variable (${aws:username}) and the escapes
// ${*}, ${?} and ${$} are no placeholders: AWS fills them in.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html.
func dollarBrace(s string) int {
	n := enclosed(s, "${", "}")
	if n == 0 {
		return 0
	}
	if body := s[2 : n-1]; isPolicyVariable(body) {
		return -n
	}
	return n
}

func isPolicyVariable(body string) bool {
	if body == "*" || body == "?" || body == "$" {
		return true
	}
	prefix, name, ok := strings.Cut(strings.TrimSpace(body), ":")
	if !ok || name == "" || name[0] == ':' || !isServiceName(prefix) {
		return false
	}
	// Template languages that write a prefix and a colon too.
	switch prefix {
	case "self", "env", "opt", "sls", "ssm", "cf", "file", "param", "custom", "var", "resolve", "stageVariables":
		return false
	}
	return true
}

func isServiceName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isLetter(c) && !isDigit(c) && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

// dollarName reads $NAME. $LATEST and $DEFAULT are names of Lambda and API
// Gateway, and topics of IoT begin with $aws/.
func dollarName(s string) int {
	n := 1
	for n < len(s) && (isLetter(s[n]) || s[n] == '_' || n > 1 && isDigit(s[n])) {
		n++
	}
	switch name := s[1:n]; {
	case name == "":
		return 0
	case strings.EqualFold(name, "latest"), strings.EqualFold(name, "default"), name == "connect", name == "disconnect":
		return -n
	case name == "aws" && n < len(s) && s[n] == '/':
		return -n
	}
	return n
}

// enclosed returns the length of what stands between opening and closing, both
// included, or 0.
func enclosed(s, opening, closing string) int {
	i := strings.Index(s[len(opening):], closing)
	if i <= 0 {
		return 0
	}
	return len(opening) + i + len(closing)
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isLetter(c) && c != '_' && (i == 0 || !isDigit(c) && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '-' }

// isBlankWord reports whether a word stands for something to be filled in:
// ACCOUNT_ID, REGION, YOUR_ROLE, your-account-id, xxxxxxxxxxxx. Other words in
// capitals (SYMMETRIC_DEFAULT, the name of a role) are themselves.
func isBlankWord(word string) bool {
	if strings.Trim(word, "xX") == "" {
		return len(word) >= 8
	}
	lower := strings.ToLower(word)
	if strings.HasPrefix(lower, "your-") || strings.HasPrefix(lower, "your_") {
		return true
	}
	if word != strings.ToUpper(word) || lower == word {
		return false
	}
	parts := strings.FieldsFunc(word, func(r rune) bool { return r == '_' || r == '-' })
	if len(parts) == 0 {
		return false
	}
	switch first := parts[0]; first {
	case "YOUR", "REPLACE", "INSERT", "ENTER":
		return true
	}
	switch last := parts[len(parts)-1]; last {
	case "HERE", "ACCOUNTID", "ACCOUNTNUMBER", "KEYID", "KEYARN", "PLACEHOLDER", "CHANGEME", "REGION":
		return true
	case "ACCOUNT", "PARTITION":
		return len(parts) == 1 || isWhose(parts[0])
	case "ID", "ARN", "NAME", "NUMBER":
		return len(parts) > 1
	}
	return false
}

// isWhose reports whether a word says whose account is meant, as in
// SOURCE_ACCOUNT.
func isWhose(word string) bool {
	switch word {
	case "AWS", "SOURCE", "TARGET", "DESTINATION", "STAGING", "BACKUP", "EXTERNAL", "TRUSTED", "REMOTE", "OTHER", "MANAGEMENT", "KEY", "DR":
		return true
	}
	return false
}

// wordInARN returns the place of a word in the account position of an ARN,
// where only digits, wildcards and the names of two services can stand.
func wordInARN(text string) *[2]int {
	if !strings.HasPrefix(text, "arn:") {
		return nil
	}
	start := 0
	for range 4 {
		i := strings.IndexByte(text[start:], ':')
		if i < 0 {
			return nil
		}
		start += i + 1
	}
	end := strings.IndexByte(text[start:], ':')
	if end <= 0 || !isLetter(text[start]) {
		return nil
	}
	switch account := text[start : start+end]; account {
	case "aws", "cloudfront", "third-party", "aws-managed":
		return nil
	default:
		if !isName(account) {
			return nil
		}
	}
	return &[2]int{start, start + end}
}

// masked returns the text with its placeholders made unlike any word, so that
// the colons in them do not count.
func masked(text string, spans [][2]int) string {
	if len(spans) == 0 {
		return text
	}
	b := []byte(text)
	for _, s := range spans {
		for i := s[0]; i < s[1]; i++ {
			b[i] = '_'
		}
	}
	return string(b)
}

func insert(spans [][2]int, span [2]int) [][2]int {
	for i, s := range spans {
		if span[0] < s[0] {
			return append(spans[:i:i], append([][2]int{span}, spans[i:]...)...)
		}
	}
	return append(spans, span)
}
