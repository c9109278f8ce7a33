package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

// Page cuts a page from a list: at most limit of its elements, or plain when no
// limit is given, from where the marker says. Next is the marker of the page
// after it, nil for the last. It is false for a marker that is none of ours.
//
// A marker names the elements on both sides of the cut, so that who deletes what a
// page lists, or adds to the list, goes on where the page ended.
func Page[T any](list []T, marker *string, limit *int32, plain int) (page []T, next *string, ok bool) {
	from := 0
	if marker != nil {
		m, ok := readMarker(*marker)
		if !ok {
			return nil, nil, false
		}
		from = resume(list, m)
	}
	if limit != nil {
		plain = int(*limit)
	}
	to := from + min(plain, len(list)-from)
	if to < len(list) {
		m := cut{at: to, after: printOf(&list[to])}
		if to > 0 {
			m.before = printOf(&list[to-1])
		}
		next = new(m.text())
	}
	return append([]T{}, list[from:to]...), next, true
}

// cut is where a page ended: a place in the list, and prints of the last element of
// the page and of the first after it.
type cut struct {
	at            int
	before, after string
}

func (m cut) text() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(m.at) + ":" + m.before + ":" + m.after))
}

func readMarker(marker string) (cut, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil {
		return cut{}, false
	}
	parts := strings.Split(string(raw), ":")
	if len(parts) != 3 {
		return cut{}, false
	}
	at, err := strconv.Atoi(parts[0])
	return cut{at: at, before: parts[1], after: parts[2]}, err == nil && at >= 0
}

// resume finds where to go on: at the element that was next, or else behind the one
// that was last, or else at the same place.
func resume[T any](list []T, m cut) int {
	at := min(m.at, len(list))
	if i := nearest(list, at, m.after); i >= 0 {
		return i
	}
	if i := nearest(list, at-1, m.before); i >= 0 {
		return i + 1
	}
	return at
}

// nearest looks for an element from a place on, towards the start first: elements
// before it have mostly gone, not come.
func nearest[T any](list []T, at int, print string) int {
	at = max(0, min(at, len(list)-1))
	for i := at; i >= 0 && i < len(list); i-- {
		if printOf(&list[i]) == print {
			return i
		}
	}
	for i := at + 1; i < len(list); i++ {
		if printOf(&list[i]) == print {
			return i
		}
	}
	return -1
}

// printOf is short and different for elements that differ.
func printOf(element any) string {
	text, err := json.Marshal(element)
	if err != nil {
		panic("gate: an element of a list cannot be JSON: " + err.Error()) // the SDK's types can
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
