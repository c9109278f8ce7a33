package gate

import (
	"context"
	"reflect"
	"strings"
)

// Mode says how an operation goes with the state.
type Mode uint8

// Reads runs beside other readers, Writes alone.
const (
	Reads Mode = iota
	Writes
)

// Operation is an operation that a service offers.
type Operation struct {
	Name string
	Mode Mode
	// Data is set for operations on data, as those on S3's objects: the history of an
	// account does not tell of them.
	Data bool
	// New returns an empty Input.
	New func() any
	// Asks says what has to be allowed; nil for an operation that everybody may
	// call. An error refuses the call before it is authorized.
	Asks func(*Call, any) ([]Ask, error)
	// Prepare does, after the call was authorized and without any lock, what takes
	// long. Nil for nothing. What it returns is closed after Handle, or in place of it,
	// when it is an io.Closer.
	Prepare func(*Call, any) (any, error)
	Handle  func(context.Context, any) (any, error)
}

// Op makes an operation of functions in the shape of the SDK's methods. Its name
// is that of the Input.
func Op[I, O any](mode Mode, asks func(*Call, *I) ([]Ask, error), handle func(context.Context, *I) (*O, error)) Operation {
	op := Operation{
		Name:   strings.TrimSuffix(reflect.TypeFor[I]().Name(), "Input"),
		Mode:   mode,
		New:    func() any { return new(I) },
		Handle: func(ctx context.Context, in any) (any, error) { return handle(ctx, in.(*I)) },
	}
	if asks != nil {
		op.Asks = func(c *Call, in any) ([]Ask, error) { return asks(c, in.(*I)) }
	}
	return op
}

// Preparing adds what has to be done without the lock.
func Preparing[I, P any](op Operation, prepare func(*Call, *I) (P, error)) Operation {
	op.Prepare = func(c *Call, in any) (any, error) { return prepare(c, in.(*I)) }
	return op
}

// Service is a service of the sandbox.
type Service interface {
	// Name is the service's in awsfacts, as "kms".
	Name() string
	Operations() []Operation
}

// Unions is what a service has whose requests hold unions: pointers to the SDK's
// types for their members.
type Unions interface {
	Unions() []any
}

// Client makes calls from one service to another, for the caller of the first.
// It alone can say that a service forwards. It is called with the state locked
// for writing, when the operation writes. When the call fails, what it changed is not
// taken back; state.DB's Try does that.
type Client interface {
	Do(ctx context.Context, service, operation string, in any, f Forward) (any, error)
}
