package doctor

import (
	"context"
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Store checks that a bucket has the properties that a mirror needs. It calls tell with
// each result, and returns how many checks failed. An error means that it could not
// continue.
func Store(ctx context.Context, b bucket.Bucket, tell func(Result)) (failed int, err error) {
	for f := range bucket.Examine(ctx, b) {
		switch {
		case ctx.Err() != nil:
			return failed, context.Cause(ctx)
		case f.Err == nil:
			tell(Result{Check: f.Check, Status: OK, Text: f.Right})
		case errors.As(f.Err, new(*bucket.BrokenError)):
			failed++
			tell(Result{f.Check, Failed, f.Err.Error() + ", but " + f.Right, f.Advice})
		default:
			failed++
			tell(Result{f.Check, Failed, f.Err.Error(), ""})
		}
	}
	return failed, nil
}
