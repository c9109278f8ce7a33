package gate

import (
	"slices"
	"testing"
)

func TestAPageGoesOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	letters := func(s string) []string {
		var list []string
		for _, r := range s {
			list = append(list, string(r))
		}
		return list
	}
	tests := []struct {
		name, before, after, want string
	}{
		{"an unchanged list", "abcdefg", "abcdefg", "def"},
		{"the page was deleted", "abcdefg", "defg", "def"},
		{"a part of the page was deleted", "abcdefg", "bdefg", "def"},
		{"something came before", "abcdefg", "xyabcdefg", "def"},
		{"the next was deleted", "abcdefg", "abcefg", "efg"},
		{"the next was deleted and something came before", "abcdefg", "xabcefg", "efg"},
		{"both sides were deleted", "abcdefg", "abefg", "fg"},
		{"all but the end was deleted", "abcdefg", "g", ""},
		{"all was deleted", "abcdefg", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			three := new(int32(3))
			first, next, ok := Page(letters(tt.before), nil, three, 100)
			if !ok || next == nil || !slices.Equal(first, letters("abc")) {
				t.Fatalf("the first page is %q, %v", first, ok)
			}
			second, _, ok := Page(letters(tt.after), next, three, 100)
			if !ok || !slices.Equal(second, append([]string{}, letters(tt.want)...)) {
				t.Errorf("the second page is %q, want %q", second, tt.want)
			}
		})
	}
}

func TestMarkersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	for _, marker := range []string{"", "Mg", "*", "LTE6YTpi", "OTk5OTk5OTk5OTk5OTk5OTk5OTk6YTpi", "YTpiOmM"} {
		if _, _, ok := Page([]int{1, 2}, &marker, nil, 1); ok {
			t.Errorf("%q is taken", marker)
		}
	}
}
