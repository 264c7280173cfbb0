package store

import (
	"context"
	"errors"
	"time"
)

// A BusyError says that a store is overloaded and does not let the caller wait. Nothing is
// wrong with the requested crate.
type BusyError struct {
	RetryAfter time.Duration // when to ask again
}

func (e *BusyError) Error() string { return "too many crates are waiting to be rebuilt" }

// IsBusy reports whether err is a *BusyError.
func IsBusy(err error) bool { return errors.As(err, new(*BusyError)) }

// ErrAway means that the place with the bytes cannot be reached now. The bytes may be fine.
var ErrAway = errors.New("it cannot be reached now")

type clientKey struct{}

// ForClient returns a context for a client's request. Stores that spend time on a crate
// serve clients in turn, so that a busy client does not delay the others.
func ForClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// Client returns the client of a context, or "" if it is unknown.
func Client(ctx context.Context) string {
	name, _ := ctx.Value(clientKey{}).(string)
	return name
}
