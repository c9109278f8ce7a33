//go:build long

package envelope_test

import (
	"fmt"
	"testing"
)

// TestACutAnywhereIsCalledACut cuts at every length. It takes minutes.
func TestACutAnywhereIsCalledACut(t *testing.T) {
	t.Parallel()
	const parts = 8
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			cuts(t, func(size int) []int {
				var all []int
				for n := part; n < size; n += parts {
					all = append(all, n)
				}
				return all
			})
		})
	}
}
