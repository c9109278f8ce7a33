package live

// ReadCalls lets a test compare the table with the calls that were made.
func ReadCalls() map[string]string { return readCalls() }
