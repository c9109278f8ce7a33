package gate

import (
	"encoding/base64"
	"strconv"
)

// Page cuts a page from a list: at most limit of its elements, or plain when no
// limit is given, from where the marker says. Next is the marker of the page
// after it, nil for the last. It is false for a marker that is none of ours.
func Page[T any](list []T, marker *string, limit *int32, plain int) (page []T, next *string, ok bool) {
	from := 0
	if marker != nil {
		text, err := base64.RawURLEncoding.DecodeString(*marker)
		if err == nil {
			from, err = strconv.Atoi(string(text))
		}
		if err != nil || from < 0 {
			return nil, nil, false
		}
	}
	if limit != nil {
		plain = int(*limit)
	}
	from = min(from, len(list))
	to := from + min(plain, len(list)-from)
	if to < len(list) {
		next = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to))))
	}
	return append([]T{}, list[from:to]...), next, true
}
