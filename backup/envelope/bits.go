package envelope

import "math/bits"

// distance counts the bits in which two texts of one length differ, and gives up above most.
func distance(a, b []byte, most int) int {
	n := 0
	for i := range a {
		if n += bits.OnesCount8(a[i] ^ b[i]); n > most {
			return n
		}
	}
	return n
}
