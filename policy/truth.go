package policy

// Truth is a three-valued truth value.
type Truth uint8

// The truth values, ordered so that And is the least and Or the greatest.
const (
	False Truth = iota
	Unknown
	True
)

var truthNames = [...]string{"false", "unknown", "true"}

// String returns false, unknown or true.
func (t Truth) String() string { return truthNames[t] }

// MarshalText writes the word of String.
func (t Truth) MarshalText() ([]byte, error) { return []byte(truthNames[t]), nil }

// Not returns the opposite; what is unknown stays so.
func (t Truth) Not() Truth { return True - t }

// And is true when both are, and false as soon as one is.
func (t Truth) And(u Truth) Truth { return min(t, u) }

// Or is false when both are, and true as soon as one is.
func (t Truth) Or(u Truth) Truth { return max(t, u) }

// truth turns a bool into a Truth.
func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}
