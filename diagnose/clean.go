package diagnose

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyreach/keyreach/internal/lazy"
)

// line is one line of the text as it was pasted, cleaned.
type line struct {
	number, column int    // where its words begin, from 1
	text           string // without colours, boxes, prefixes
	raw            string // without colours only
	boxed          bool   // a box or comment character stood before it
	logged         bool   // it began with a time or a level, as lines of logs do
	top            bool   // the upper edge of a box
}

// maxLine is how much of one line is kept, in bytes. Messages of AWS are
// shorter than 4 KiB; what is longer is a dump.
const maxLine = 64 << 10

var (
	// colour is an escape sequence of a terminal: CSI … letter, or OSC … BEL.
	colour = lazy.Regexp("\x1b(?:\\[[0-9;?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\-_])")
	// stamp is a time at the beginning of a line, in the forms that logs have,
	// with what of host and process may follow in syslog's form.
	stamp = lazy.Regexp(`^\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\d\d?:\d\d:\d\d(?:[.,]\d+)?(?: [AP]M)?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: \S+ [\w./-]+(?:\[\d+\])?:)?)\]?[ \t:|-]*`)
	// level is a word for how bad a line of a log is.
	level = lazy.Regexp(`^(?:\[?(?:ERROR|FATAL|WARN(?:ING)?|INFO|DEBUG|TRACE|error|warn|info|stderr|stdout)\]|(?:ERROR|FATAL|WARN(?:ING)?|INFO|DEBUG|TRACE)\b)[ \t:|-]*`)
)

// clean takes from a line what a terminal, a box, a comment or a log put
// around its words.
func clean(number int, raw string) line {
	if len(raw) > maxLine {
		raw = raw[:maxLine]
	}
	raw = strings.ToValidUTF8(raw, "\uFFFD")
	if strings.IndexByte(raw, 0x1b) >= 0 {
		raw = colour.ReplaceAllString(raw, "")
	}
	raw = plain(raw)
	l := line{number: number, raw: raw, top: strings.ContainsAny(raw, "╷┌╭")}
	rest := strings.TrimLeft(raw, " \t")
	for {
		before := rest
		rest = l.unbox(rest)
		rest = l.unlog(rest)
		if rest == before {
			break
		}
	}
	l.column = len(raw) - len(rest) + 1
	l.text = strings.TrimRight(rest, " \t│┃║▕")
	if strings.HasSuffix(l.text, " |") {
		l.text = strings.TrimRight(strings.TrimSuffix(l.text, "|"), " \t")
	}
	l.text = mask(unescape(l.text))
	return l
}

// unescape undoes what strings of JSON and addresses write for the letters that
// divide words and names.
func unescape(s string) string {
	if strings.Contains(s, `\n`) || strings.Contains(s, `\t`) {
		s = strings.NewReplacer(`\r`, " ", `\n`, " ", `\t`, " ").Replace(s)
	}
	if strings.Contains(s, "%3A") || strings.Contains(s, "%3a") {
		s = strings.NewReplacer("%3A", ":", "%3a", ":", "%2F", "/", "%2f", "/", "%20", " ", "%2A", "*").Replace(s)
	}
	return s
}

// unbox takes box and comment characters from the beginning.
func (l *line) unbox(s string) string {
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r >= 0x2500 && r <= 0x257F, r == '>' && !strings.HasPrefix(s, ">>"), r == '|':
			l.boxed = true
			s = s[size:]
		case strings.HasPrefix(s, "//"), strings.HasPrefix(s, "# "), strings.HasPrefix(s, "#\t"):
			l.boxed = true
			s = strings.TrimLeft(s, "/#")
		case r == ' ', r == '\t':
			s = s[size:]
		default:
			return s
		}
	}
	return s
}

// unlog takes times and levels from the beginning.
func (l *line) unlog(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; c == '[' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
		if m := stamp.FindString(s); m != "" {
			l.logged = true
			s = s[len(m):]
		}
		if m := level.FindString(s); m != "" {
			l.logged = true
			s = s[len(m):]
		}
	}
	return s
}

// plain replaces letters that look like ASCII by ASCII, as messages are
// written with either, and drops those that show nothing.
func plain(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c < ' ' && c != '\t' || c == 0x7f {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '’' || r == '‘' || r == '`':
			return '\''
		case r == '“' || r == '”':
			return '"'
		case r == '\u00a0':
			return ' '
		case r == '\t' || r == '\uFFFD':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

var (
	accessKey = lazy.Regexp(`\b(A[KS]IA)[A-Z0-9]{8,}`)
	// secretValue is a name of a secret and what is given for it.
	secretValue = lazy.Regexp(`(?i)((?:secret[-_ ]?(?:access[-_ ]?)?key|session[-_ ]?token|security[-_]?token|x-amz-signature|x-amz-credential|authorization|password|plaintext(?:_?blob)?)["']?\s*[:=]\s*["']?)(?:AWS4-HMAC-SHA256 [^"']*|[^\s"',;&}]{8,})`)
)

// mask replaces secrets: access keys, and what stands after the name of a
// secret.
func mask(s string) string {
	if strings.Contains(s, "AKIA") || strings.Contains(s, "ASIA") {
		s = accessKey.ReplaceAllString(s, "${1}****")
	}
	lower := strings.ToLower(s)
	for _, word := range []string{"secret", "token", "x-amz-", "authorization", "password", "plaintext"} {
		if strings.Contains(lower, word) {
			return secretValue.ReplaceAllString(s, "${1}****")
		}
	}
	return s
}
