package script

import "strings"

// above returns the lines of comment right above a place, on one line. One
// empty line may stand between.
func (r *reader) above(line int) string {
	var comments []string
	empty := false
	for at := line - 2; at >= 0; at-- {
		end := len(r.text)
		if at+1 < len(r.lines) {
			end = r.lines[at+1]
		}
		text := strings.TrimSpace(r.text[r.lines[at]:end])
		if text == "" && !empty && len(comments) == 0 {
			empty = true
			continue
		}
		comment, ok := strings.CutPrefix(text, "#")
		if !ok || strings.HasPrefix(text, "#!") {
			break
		}
		comments = append([]string{strings.TrimSpace(strings.TrimLeft(comment, "#"))}, comments...)
	}
	return strings.Join(comments, " ")
}
