package gate

// KeyFacts is what a service looks at in a key before it uses it.
type KeyFacts struct {
	ARN string
	// Managed is set for AWS's own keys, Symmetric for those that encrypt data keys,
	// Enabled for those that can be used.
	Managed, Symmetric, Enabled bool
}

// Keys finds KMS keys without asking whether the caller may know of them: for services,
// which tell a key that is not there from one that may not be used. KMS does.
type Keys interface {
	// Find leads from a key id, key ARN, alias name or alias ARN of a Region to a key. A
	// key of AWS's that does not exist yet is made. It is false when there is none; the
	// error is ErrUpdate when a key has to be made in a call that only reads.
	Find(c *Call, region, id string) (KeyFacts, bool, error)
}
