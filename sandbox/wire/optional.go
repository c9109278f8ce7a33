package wire

// Optional is a member of an answer that is not there when it has its zero value.
func Optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
