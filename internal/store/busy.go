package store

import (
	"context"
	"errors"
	"time"
)

// A BusyError says that a store has more to do than it can, and will not keep a
// caller waiting. Nothing is wrong with what was asked for.
type BusyError struct {
	RetryAfter time.Duration // when to ask again
}

func (e *BusyError) Error() string { return "too many crates are waiting to be rebuilt" }

// IsBusy reports whether err is a *BusyError.
func IsBusy(err error) bool { return errors.As(err, new(*BusyError)) }

// ErrAway: the place that has the bytes cannot be reached now. Nothing is known to be
// wrong with them.
var ErrAway = errors.New("it cannot be reached now")

type clientKey struct{}

// ForClient returns a context for what a client asks for. Stores in which a crate
// costs time serve clients in turn, so that one who asks for much does not keep the
// others waiting.
func ForClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// Client is the client of a context; empty: not known.
func Client(ctx context.Context) string {
	name, _ := ctx.Value(clientKey{}).(string)
	return name
}
