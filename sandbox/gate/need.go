package gate

import "errors"

// ErrUpdate is what an operation that reads answers when it has to write first:
// a key of AWS's that is made on first use. The call is then made again alone.
var ErrUpdate = errors.New("the call has to be made as one that writes")
