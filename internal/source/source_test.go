package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tailscale/hujson"
)

// show writes a tree on one line, with the place of every value.
func show(n *Node) string {
	at := fmt.Sprintf("@%d:%d", n.Pos.Line, n.Pos.Column)
	switch n.Kind {
	case List:
		var parts []string
		for i := range n.Items {
			parts = append(parts, show(&n.Items[i]))
		}
		return "[" + strings.Join(parts, " ") + "]" + at
	case Map:
		var parts []string
		for i := range n.Fields {
			f := &n.Fields[i]
			parts = append(parts, fmt.Sprintf("%s@%d:%d=%s", f.Name, f.Pos.Line, f.Pos.Column, show(&f.Value)))
		}
		return "{" + strings.Join(parts, " ") + "}" + at
	case Intrinsic:
		inner := ""
		for i := range n.Items {
			inner += " " + show(&n.Items[i])
		}
		return n.Text + inner + at
	case String:
		return fmt.Sprintf("%q%s", n.Text, at)
	case Null:
		return "null" + at
	}
	return n.Text + at
}

func TestParseKnowsThePlaceOfEverything(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"a JSON map", "{\"a\": 1,\n \"b\": [true, null]}", `{a@1:2=1@1:7 b@2:2=[true@2:8 null@2:14]@2:7}@1:1`},
		{"columns count bytes", `{"é": "x", "b": 1}`, `{é@1:2="x"@1:8 b@1:13=1@1:18}@1:1`},
		{"escapes", `["\u00e9\n\"\\\/", "\ud83d\ude00"]`, `["é\n\"\\/"@1:2 "😀"@1:20]@1:1`},
		{"numbers keep their digits", `[1.50, -0, 1e+3]`, `[1.50@1:2 -0@1:8 1e+3@1:12]@1:1`},
		{"a byte order mark", "\ufeff[1]", `[1@1:2]@1:1`},
		{"comments", "/* a\n */ [ // b\n 1 ]", `[1@3:2]@2:5`},
		{"a JSON string alone", `"x"`, `"x"@1:1`},
		{"a YAML map", "a: 1\nb:\n  - true\n  - ~\n", `{a@1:1=1@1:4 b@2:1=[true@3:5 null@4:5]@3:3}@1:1`},
		{"a date stays a text", "Version: 2012-10-17", `{Version@1:1="2012-10-17"@1:10}@1:1`},
		{"an account with a leading zero stays a text", "id: 012345678901", `{id@1:1="012345678901"@1:5}@1:1`},
		{"a plain account number", "id: 111122223333", `{id@1:1=111122223333@1:5}@1:1`},
		{"quoted texts", "a: \"1\"\nb: 'it''s'\n", `{a@1:1="1"@1:4 b@2:1="it's"@2:4}@1:1`},
		{"a block", "a: |\n  x\n  y\n", `{a@1:1="x\ny\n"@1:4}@1:1`},
		{"tags of a template language", "a: !Sub x${B}\nb: !GetAtt K.Arn\nc: !Join [':', [x, !Ref Y]]", `{a@1:1=!Sub "x${B}"@1:9@1:4 b@2:1=!GetAtt "K.Arn"@2:12@2:4 c@3:1=!Join [":"@3:11 ["x"@3:17 !Ref "Y"@3:25@3:20]@3:16]@3:10@3:4}@1:1`},
		{"an anchor and its alias", "a: &x [1]\nb: *x\n", `{a@1:1=[1@1:8]@1:7 b@2:1=[1@1:8]@2:4}@1:1`},
		{"an alias of nothing", "b: *x\n", `{b@1:1=*x@1:4}@1:1`},
		{"a merged map", "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n", `{a@1:1={p@1:8=1@1:11 q@1:14=2@1:17}@1:8 b@2:1={q@4:3=3@4:6 p@1:8=1@1:11}@3:3}@1:1`},
		{"names with colons", "a: {'k:v': 1, \"q\":2, r: s:t}\nkms:X: 1\n", `{a@1:1={k:v@1:5=1@1:12 q@1:15=2@1:19 r@1:22="s:t"@1:25}@1:5 kms:X@2:1=1@2:8}@1:1`},
		{"colons between braces", "a: {kms:V: x, Action: [kms:*, kms:Get*], arn: aws:s3:::b/*}", `{a@1:1={kms:V@1:5="x"@1:12 Action@1:15=["kms:*"@1:24 "kms:Get*"@1:31]@1:23 arn@1:42="aws:s3:::b/*"@1:47}@1:5}@1:1`},
		{"colons under a tag between braces", "a: {\"aws:SourceAccount\": !Ref AWS::AccountId, b: c}", `{a@1:1={aws:SourceAccount@1:5=!Ref "AWS::AccountId"@1:31@1:26 b@1:47="c"@1:50}@1:5}@1:1`},
		{"a colon after an escape", "a: \"\\u00e9\"\nb: {kms:x: y}", `{a@1:1="é"@1:4 b@2:1={kms:x@2:5="y"@2:12}@2:5}@1:1`},
		{"a colon after a list under a tag", "a: !If\n  - c\nb: {kms:V: x}", `{a@1:1=!If ["c"@2:5]@2:3@1:4 b@3:1={kms:V@3:5="x"@3:12}@3:5}@1:1`},
		{"the tag for a text", "a: !!str 1", `{a@1:1="1"@1:10}@1:1`},
		{"the tag for a text, before an anchor", "a: !!str &x 1\nb: *x\n", `{a@1:1="1"@1:13 b@2:1="1"@2:4}@1:1`},
		{"the tag for a text, before a block", "a: !!str |\n  x\n", `{a@1:1="x\n"@1:10}@1:1`},
		{"the tag for a text, before nothing", "- !!str\n", `[""@1:4]@1:1`},
		{"tags for numbers, booleans and null", "- !!int \"5\"\n- !!float 1.5\n- !!bool \"True\"\n- !!null ''\n", `[5@1:9 1.5@2:11 true@3:10 null@4:10]@1:1`},
		{"a tag that does not fit loses nothing", "- !!int 012345678901\n- !!bool x\n", `["012345678901"@1:9 "x"@2:10]@1:1`},
		{"the long forms of tags", "- !<tag:yaml.org,2002:str> 12\n- !<!Sub> x\n", `["12"@1:28 !Sub "x"@2:11@2:3]@1:1`},
		{"places after tags on a line", "- !Join [!Ref a, !Ref b, c]\n", `[!Join [!Ref "a"@1:15@1:10 !Ref "b"@1:23@1:18 "c"@1:26]@1:9@1:3]@1:1`},
		{"places after a list under a tag", "a: !If\n  - c\n  - !Sub d\nb: {c: !Ref x, d: e}\n", `{a@1:1=!If ["c"@2:5 !Sub "d"@3:10@3:5]@2:3@1:4 b@4:1={c@4:5=!Ref "x"@4:13@4:8 d@4:16="e"@4:19}@4:5}@1:1`},
		{"places after an escape", "a: \"\\u00e9\"\nb: !Sub x\nc: {d: !Ref e, f: g}\n", `{a@1:1="é"@1:4 b@2:1=!Sub "x"@2:9@2:4 c@3:1={d@3:5=!Ref "e"@3:13@3:8 f@3:16="g"@3:19}@3:5}@1:1`},
		{"line breaks of Windows", "a: \"x\r\n  y\"\r\nb: |\r\n  z\r\n", `{a@1:1="x y"@1:4 b@3:1="z\n"@3:4}@1:1`},
		{"a text over lines is folded", "a: x\n  y\n    z\n\n  w\nb: 1\n", `{a@1:1="x y z\nw"@1:4 b@6:1=1@6:4}@1:1`},
		{"names that are no texts", "1: a\ntrue: b\n~: c\n0x1F: d\n", `{1@1:1="a"@1:4 true@2:1="b"@2:7 ~@3:1="c"@3:4 0x1F@4:1="d"@4:7}@1:1`},
		{"a name with an anchor, an alias as a name", "&k a: 1\nb: {*k : 2}\n", `{a@1:1=1@1:7 b@2:1={a@2:5=2@2:10}@2:5}@1:1`},
		{"a name with a tag, a name in a block", "!!str 1: x\n? |\n a\n: y\n", "{1@1:1=\"x\"@1:10 a\n@2:1=\"y\"@4:3}@1:1"},
		{"merged maps: the first of a list counts", "- &a {p: 1}\n- &b {p: 2, q: 3}\n- <<: [*a, *b]\n", `[{p@1:7=1@1:10}@1:7 {p@2:7=2@2:10 q@2:13=3@2:16}@2:7 {p@1:7=1@1:10 q@2:13=3@2:16}@3:3]@1:1`},
		{"an anchor given twice", "- &x 1\n- &x 2\n- *x\n", `[1@1:6 2@2:6 2@3:3]@1:1`},
		{"what JSON cannot write so stays a text", "- 0x1F\n- +1\n- .5\n- .inf\n- 1_000\n", `["0x1F"@1:3 "+1"@2:3 ".5"@3:3 ".inf"@4:3 "1_000"@5:3]@1:1`},
		{"marks around one document", "%YAML 1.2\n---\na: 1\n...\n---\n# c\n", `{a@3:1=1@3:4}@3:1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, _, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := show(n); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestParseToleratesAndTells(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []Problem
	}{
		{"a trailing comma in a list", "[1,\n2,]", []Problem{{Pos{2, 2}, TrailingComma, ""}}},
		{"a trailing comma in a map", `{"a":1,}`, []Problem{{Pos{1, 7}, TrailingComma, ""}}},
		{"a comment", "[1] // x", []Problem{{Pos{1, 5}, Comment, ""}}},
		{"a member twice", `{"a":1,"a":2}`, []Problem{{Pos{1, 8}, DuplicateKey, "a"}}},
		{"a member twice in YAML", "a: 1\na: 2\n", []Problem{{Pos{2, 1}, DuplicateKey, "a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, problems, err := Parse([]byte(tt.text))
			if err != nil || !reflect.DeepEqual(problems, tt.want) {
				t.Errorf("problems %v, want %v (%v)", problems, tt.want, err)
			}
			if tt.name == "a member twice" && n.Field("a").Text != "2" {
				t.Error("the last member does not count")
			}
		})
	}
}

func TestParseSaysWhereAndWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"nothing", " \n", "line 1, column 1: the text is empty"},
		{"cut off", `{"a": [1, 2`, "line 1, column 12: the text ends inside a list: it was cut off, or a ] is missing"},
		{"a missing comma", "{\"a\": 1\n \"b\": 2}", "line 2, column 2: '\"' stands after a member of a map: a comma or } is missing before it"},
		{"a missing quote", `{"a: 1}`, "line 1, column 2: the string that begins here does not end"},
		{"a line break in a string", "[\"a\nb\"]", "line 1, column 2: the string that begins here does not end on its line"},
		{"a bad escape", `["\x"]`, "a backslash begins no escape that JSON has"},
		{"two values", "[1] [2]", "line 1, column 5: '[' stands after the end of the document"},
		{"single quotes", `{'a': 1}`, "names stand in double quotes"},
		{"a hash comment", "[ # x\n1]", "JSON has no # comments"},
		{"Python", "[True]", "this is Python"},
		{"a leading zero", `[012345678901]`, "put an account number in double quotes"},
		{"UTF-16", "\xff\xfe{\x00", "the text is UTF-16: save it as UTF-8"},
		{"no UTF-8", "[\"a\",\n\"\xff\"]", "line 2, column 2: the byte 0xff is not UTF-8"},
		{"too deep", strings.Repeat("[", 300), "more than 200 lists and maps"},
		{"too deep in YAML", "a: " + strings.Repeat("[", 300), "line 1, column 204: more than 200 lists and maps"},
		{"two YAML documents", "a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins here"},
		{"two YAML documents after marks in a row", "a: 1\n---\n---\nb: 2\n", "line 2, column 1: a second document begins here"},
		{"a document after an empty one", "---\n---\na: 1\n", "line 2, column 1: a second document begins here"},
		{"a document after the end of one", "a: 1\n...\nb: 2\n", "line 3, column 1: a second document begins here"},
		{"brackets in texts hide no depth", "a: " + strings.Repeat(`["]",`, 100_000), "more than 200 lists and maps"},
		{"brackets in comments hide no depth", "a: " + strings.Repeat("[ # ]\n ", 100_000), "line 201, column 2: more than 200 lists and maps"},
		{"dashes too deep", strings.Repeat("- ", 100_000), "line 1, column 403: more than 200 lists and maps"},
		{"question marks too deep", strings.Repeat("? ", 100_000), "more than 200 lists and maps"},
		{"an alias inside its own value", "a: &x [1, *x]\n", "line 1, column 11: *x stands inside the value that &x names"},
		{"a merge of a text", "<<: x\n", "line 1, column 5: a string stands where << wants a map"},
		{"a merge of a template expression", "<<: !Sub x\n", "a template expression stands where << wants a map"},
		{"a merge of an alias of nothing", "a: {<<: *gone}\n", "line 1, column 9: << merges *gone, and no anchor of that name stands before it"},
		{"a template expression as a name", "!Sub x: y\n", "line 1, column 1: a template expression stands where a name should"},
		{"a map as a name", "? a: b\n", "line 1, column 1: a question mark begins a name here that is itself a map"},
		{"a tag over the next member", "a: !Sub\nb: 1\n", "line 2, column 1: this stands too far left"},
		{"a tag over the next item", "- !Sub\n- x\n", "line 2, column 1: this stands too far left"},
		{"a dash over the next member", "x:\n  a:\n  - c\n  -\n  b: 1\n", "line 5, column 3: this stands too far left"},
		{"a text over a list", "Version: 2012-10-17\n  - Sid: A\n    Effect: Deny\n", "line 1, column 10: the text that begins here runs on into a name and a colon"},
		{"a text over a bracket", "a: {b: c]}\n", "line 1, column 8: the text that begins here runs on into a bracket or comma"},
		{"bad indentation", "a:\n  b: 1\n c: 2\n", "line 3"},
		{"a colon before a quote between braces", "a: {b:\"c\"}", "line 1, column 5: no blank follows the colon after this name"},
		{"a tab", "a:\n\tb: 1\n", "line 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, _, err := Parse([]byte(tt.text))
			var syntax *SyntaxError
			if n != nil || !errors.As(err, &syntax) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestAliasesDoNotBlowUp(t *testing.T) {
	t.Parallel()
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	start := time.Now()
	if _, _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "more than 1000000 values") {
		t.Errorf("a thousand million values were read: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("refusing them took %v", took)
	}
}

func TestAliasesDoNotDeepen(t *testing.T) {
	t.Parallel()
	text := "a0: &a0 [x]\n"
	for i := 1; i < 300; i++ {
		text += fmt.Sprintf("a%d: &a%d [*a%d]\n", i, i, i-1)
	}
	if _, _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "line 200, column 14: more than 200 lists and maps") {
		t.Errorf("a list 300 deep was read: %v", err)
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	text := []byte("first\n\tsecond é line\nlast\na\x1b[31m\xff\xa2")
	tests := []struct {
		name string
		at   Pos
		want string
	}{
		{"a word", Pos{1, 3}, "    1 | first\n      |   ^"},
		{"after a tab", Pos{2, 2}, "    2 | \tsecond é line\n      | \t^"},
		{"after a letter of two bytes", Pos{2, 12}, "    2 | \tsecond é line\n      | \t         ^"},
		{"the last line", Pos{3, 1}, "    3 | last\n      | ^"},
		{"no such line", Pos{9, 1}, ""},
		{"nowhere", Pos{}, ""},
		{"what a terminal must not be sent", Pos{4, 3}, "    4 | a?[31m??\n      |   ^"},
	}
	for _, tt := range tests {
		if got := Excerpt(text, tt.at); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	long := []byte(strings.Repeat("a", 500) + "HERE" + strings.Repeat("b", 500))
	if got := Excerpt(long, Pos{1, 501}); len(got) > 300 || !strings.Contains(got, "HERE") {
		t.Errorf("a long line is not cut around the place: %s", got)
	}
}

type inner struct {
	Name string `json:"name"`
}

type shape struct {
	inner
	ID     string         `json:"id"`
	Count  int            `json:"count,omitempty"`
	On     bool           `json:"on"`
	List   []string       `json:"list"`
	Map    map[string]int `json:"map"`
	Sub    *shape         `json:"sub"`
	When   *time.Time     `json:"when"`
	Any    any            `json:"any"`
	Kind   upper          `json:"kind"`
	hidden string
}

// upper reads itself.
type upper string

func (u *upper) UnmarshalNode(n *Node) error {
	if n.Text == "bad" {
		return errors.New("it is bad")
	}
	*u = upper(strings.ToUpper(n.Text))
	return nil
}

func TestDecode(t *testing.T) {
	t.Parallel()
	n, _, err := Parse([]byte(`{"id":"x","name":"n","count":3,"on":true,"list":["a"],"map":{"k":1},"sub":{"id":"y"},"when":"2026-01-02T03:04:05Z","any":[1,{"a":null}],"kind":"up"}`))
	if err != nil {
		t.Fatal(err)
	}
	var s shape
	if err := Decode(n, &s); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := shape{
		inner: inner{Name: "n"}, ID: "x", Count: 3, On: true, List: []string{"a"}, Map: map[string]int{"k": 1}, Sub: &shape{ID: "y"}, When: &when,
		Any: []any{1.0, map[string]any{"a": nil}}, Kind: "UP",
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v\nwant %+v", s, want)
	}
	if s.hidden != "" {
		t.Error("an unexported field was written")
	}
}

func TestDecodeTellsEverythingThatDoesNotFit(t *testing.T) {
	t.Parallel()
	n, _, err := Parse([]byte("id: 12\ncuont: 3\ncount: x\nlist: a\nsub:\n  on: 1\n  when: noon\nmap: {k: 1.5, k: 2}\nkind: bad\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = Decode(n, &shape{})
	var many *DecodeErrors
	if !errors.As(err, &many) {
		t.Fatalf("error %v", err)
	}
	want := []string{
		`line 1, column 5: id: this is a number; it should be a text (put it in quotes: "12")`,
		`line 2, column 1: "cuont" is no member here (did you mean count?)`,
		`line 3, column 8: count: this is a string; it should be a number`,
		`line 4, column 7: list: this is a string; it should be a list (put it in a list: ["a"])`,
		`line 6, column 7: sub.on: this is a number; it should be true or false`,
		`line 7, column 9: sub.when: this is not a date and time (RFC 3339) (it looks like 2026-01-31T08:00:00Z)`,
		`line 8, column 15: map: "k" stands twice in this map (keep one of the two)`,
		`line 9, column 7: kind: it is bad`,
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	known := []string{"Resource", "NotResource", "Action", "Principal"}
	for name, want := range map[string]string{"Resources": "Resource", "resource": "Resource", "Principle": "Principal", "Actoin": "Action", "Wurst": "", "x": "", "": ""} {
		if got := Suggest(name, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestIntrinsicsAsJSON(t *testing.T) {
	t.Parallel()
	n, _, err := Parse([]byte("- !Sub x\n- !Ref Y\n- !GetAtt K.Arn\n- !If [c, 1, !Ref AWS::NoValue]\n- *gone\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"Fn::Sub":"x"},{"Ref":"Y"},{"Fn::GetAtt":["K","Arn"]},{"Fn::If":["c",1,{"Ref":"AWS::NoValue"}]},"*gone"]`
	if got := string(AppendJSON(nil, n)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestAppendJSONEscapesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"quotes and backslashes", `"\`, `"\"\\"`},
		{"line breaks and tabs", "a\n\r\t", `"a\n\r\t"`},
		{"other control characters", "\x00\x1f\x7f", "\"\\u0000\\u001f\x7f\""},
		{"no HTML", "<a&b>", `"<a&b>"`},
		{"line separators", "\u2028", "\"\u2028\""},
		{"what is no UTF-8", "a\xffb", "\"a\uFFFDb\""},
	}
	for _, tt := range tests {
		got := string(AppendJSON(nil, &Node{Kind: String, Text: tt.text}))
		if got != tt.want || !json.Valid([]byte(got)) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// unplaced is the tree without its places.
func unplaced(n *Node) *Node {
	n.Relocate(func(Pos) Pos { return Pos{} })
	return n
}

func TestJSONReadAgainIsTheSameTree(t *testing.T) {
	t.Parallel()
	for _, text := range jsonSeeds {
		n, _, err := Parse([]byte(text))
		if err != nil {
			continue // a seed for the fuzzer that is no JSON
		}
		again, _, err := Parse(AppendJSON(nil, n))
		if err != nil || !reflect.DeepEqual(unplaced(n), unplaced(again)) {
			t.Errorf("%s: read again it is %s (%v)", text, AppendJSON(nil, again), err)
		}
	}
}

var jsonSeeds = []string{
	`{"a":[1,2.5e-3,true,false,null,"x\u00e9\n"],"b":{"c":{}}}`, `[]`, `{}`, `"x"`, ` [ 1 , ] `, "// c\n{}", `{"a":1,"a":2}`, `[1 2]`, `{"a"}`,
	`["\ud800"]`, `[01]`, `[1.]`, `[-]`, `["` + "\t" + `"]`, `{"a":/* x */1}`, "[1]//", `[nul]`, `[1e999]`, "\ufeff[]", `/`,
}

// FuzzJSON holds the scanner against hujson, which reads the same language.
func FuzzJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first := strings.TrimLeft(text, " \t\r\n")
		if first == "" || first[0] != '{' && first[0] != '[' || checkText([]byte(text)) != nil {
			t.Skip("this is not JSON to us")
		}
		text += "\n" // hujson wants one after a comment
		n, _, failure := parseJSON(text)
		if failure != nil && strings.Contains(failure.Text, "more than 200") {
			return
		}
		judge, err := hujson.Parse([]byte(text))
		if (failure == nil) != (err == nil) {
			t.Fatalf("%q: we say %v, hujson says %v", text, failure, err)
		}
		if err != nil {
			return
		}
		judge.Standardize()
		var want, got any
		if err := json.Unmarshal(judge.Pack(), &want); err != nil {
			return // a number beyond float64
		}
		if err := json.Unmarshal(AppendJSON(nil, n), &got); err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("%q: printed as %s (%v)", text, AppendJSON(nil, n), err)
		}
		again, _, failure := parseJSON(string(AppendJSON(nil, n)))
		if failure != nil || !reflect.DeepEqual(unplaced(again), unplaced(n)) {
			t.Fatalf("%q: printed and read again it differs (%v)", text, failure)
		}
	})
}

// FuzzYAML asks that nothing panics and that every place is in the text.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"a: 1\nb: [x, {c: d}]\n", "- !Sub x\n- |\n  y\n", "a: &x 1\nb: *x\nc: {<<: {d: 1}}", "? a\n: b", "'a': \"b\\n\"", "--- \na: 1\n...\n", "a: [\n", "# c\n", "a: 2012-10-17", "!!str 1", "%YAML 1.2\n---\na", "a:\n\t- b", "{kms:x: true}",
		"a: !If\n  - b\n-\nc: 1", "&k a: 1\n*k : 2", "? |\n a\n: b", "!<!Sub> x", "a: \"\\u00e9\"\r\nb: {c:d}", "---\n---\na", "- - ? a", "<<: *x", "a: x\n  - b: c\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, _, err := Parse([]byte(text))
		if err != nil {
			return
		}
		lines := int32(strings.Count(text, "\n") + strings.Count(text, "\r") + 1) // the library ends lines at either
		var walk func(n *Node)
		walk = func(n *Node) {
			if n.Pos.Line < 1 || n.Pos.Line > lines+1 || n.Pos.Column < 1 {
				t.Fatalf("%q: a value at %v", text, n.Pos)
			}
			for i := range n.Items {
				walk(&n.Items[i])
			}
			for i := range n.Fields {
				walk(&n.Fields[i].Value)
			}
		}
		walk(n)
		if _, _, failure := parseJSON(string(AppendJSON(nil, n))); failure != nil {
			t.Fatalf("%q: printed as what is no JSON: %s (%v)", text, AppendJSON(nil, n), failure)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	statement := `{"Sid":"Allow use of the key","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:role/app"]},
   "Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey"],"Resource":"*",
   "Condition":{"StringEquals":{"kms:ViaService":["ec2.us-east-1.amazonaws.com"],"kms:CallerAccount":"111122223333"}}}`
	data := []byte(`{"Version":"2012-10-17","Statement":[` + statement + "," + statement + "," + statement + `]}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
