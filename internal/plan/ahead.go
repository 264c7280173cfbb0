package plan

import (
	"context"
	"iter"
)

// ahead passes on aheadChunk elements at a time, and at most aheadChunks chunks wait: some
// thousands of crates, a few megabytes.
const (
	aheadChunk  = 256
	aheadChunks = 8
)

// ahead runs a sequence in its own goroutine, ahead of the caller of next. The caller must
// call stop, which ends the goroutine and waits for it.
func ahead[T any](ctx context.Context, sequence func(context.Context) iter.Seq2[T, error]) (next func() (T, error, bool), stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan []T, aheadChunks)
	var failed error // of the sequence; written before chunks is closed
	go func() {
		defer close(chunks)
		failed = sendChunks(ctx, sequence(ctx), chunks)
	}()
	var chunk []T
	next = func() (element T, err error, ok bool) {
		if len(chunk) == 0 {
			if chunk, ok = <-chunks; !ok {
				return element, failed, failed != nil
			}
		}
		element, chunk = chunk[0], chunk[1:]
		return element, nil, true
	}
	return next, func() {
		cancel()
		for range chunks {
		}
	}
}

func sendChunks[T any](ctx context.Context, sequence iter.Seq2[T, error], to chan<- []T) error {
	var chunk []T
	send := func() error {
		select {
		case to <- chunk:
			chunk = make([]T, 0, aheadChunk)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for element, err := range sequence {
		if err != nil {
			return err
		}
		if chunk = append(chunk, element); len(chunk) == aheadChunk {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	return send()
}
