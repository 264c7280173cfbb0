package buckettest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// A Fault is what happens to one request to a [Faulty] bucket.
type Fault int

// The faults. A fault of something that a request lacks (a Head has no body) acts as
// Before.
const (
	None        Fault = iota
	Before            // the request fails without effect
	After             // it takes effect, and the answer is lost
	Unavailable       // the provider answers 503, repeatedly
	Conflict          // the provider answers 409: another request was in progress
	Taken             // the provider answers 412 although the condition holds
	Stall             // no answer until the context ends
	Truncated         // the body ends after half of the bytes
	Stale             // a list shows the state before the last change
	Kill              // the process dies before the request: this one and all later ones fail
	KillAfter         // the process dies after the request took effect
)

// ErrInjected is wrapped in every error of a Fault, except those that the contract names.
var ErrInjected = errors.New("injected fault")

// Faulty is a bucket that fails on request. Requests are counted from 1; a List counts as
// one.
type Faulty struct {
	inner bucket.Bucket

	mu     sync.Mutex
	faults map[int]Fault
	log    []string
	dead   bool
	before []bucket.Object // objects before the last change, for Stale
}

// NewFaulty returns a Faulty on top of b, without faults yet.
func NewFaulty(b bucket.Bucket) *Faulty { return &Faulty{inner: b, faults: map[int]Fault{}} }

// At makes the n-th request from now on fail.
func (f *Faulty) At(n int, fault Fault) *Faulty {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[len(f.log)+n] = fault
	return f
}

// Restart simulates a new process: it removes all faults and counts requests from 1.
func (f *Faulty) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead, f.faults, f.log = false, map[int]Fault{}, nil
}

// Requests returns the requests so far, such as "put KEY", in order.
func (f *Faulty) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *Faulty) String() string { return f.inner.String() }

// next counts a request and returns its fate: an error, or a fault that the caller handles.
func (f *Faulty) next(ctx context.Context, verb, key string) (Fault, error) {
	f.mu.Lock()
	f.log = append(f.log, verb+" "+key)
	n := len(f.log)
	fault := f.faults[n]
	f.dead = f.dead || fault == Kill
	dead := f.dead
	f.dead = f.dead || fault == KillAfter
	f.mu.Unlock()

	injected := func(what string) error {
		return fmt.Errorf("request %d, %s %q: %s: %w", n, verb, key, what, ErrInjected)
	}
	switch {
	case dead:
		return fault, injected("the process is dead")
	case fault == Stall:
		<-ctx.Done()
		return fault, errors.Join(injected("no answer"), ctx.Err())
	case fault == Before:
		return fault, injected("connection refused")
	case fault == Unavailable:
		return fault, injected("503 Service Unavailable")
	case fault == Conflict:
		return fault, injected("409 ConditionalRequestConflict")
	}
	return fault, nil
}

// answer returns what the caller sees of a request that took effect.
func (f *Faulty) answer(fault Fault, key string, err error) error {
	if fault == After || fault == KillAfter {
		return fmt.Errorf("request for %q: the answer is lost: %w", key, ErrInjected)
	}
	return err
}

// Put implements bucket.Bucket.
func (f *Faulty) Put(ctx context.Context, key string, body bucket.Body, when bucket.Condition) (bucket.Tag, error) {
	fault, err := f.next(ctx, "put", key)
	if err != nil {
		return "", err
	}
	if fault == Taken {
		return "", fmt.Errorf("storing %q: %w", key, cmp.Or(when.Check("", true), bucket.ErrChanged))
	}
	f.remember(ctx)
	tag, err := f.inner.Put(ctx, key, body, when)
	return tag, f.answer(fault, key, err)
}

// Upload implements bucket.Bucket.
func (f *Faulty) Upload(ctx context.Context, key string, body bucket.Body, parts bucket.Parts) (bucket.Tag, error) {
	fault, err := f.next(ctx, "upload", key)
	if err != nil {
		return "", err
	}
	if fault == Taken {
		return "", fmt.Errorf("storing %q: %w", key, bucket.ErrExists)
	}
	f.remember(ctx)
	tag, err := f.inner.Upload(ctx, key, body, parts)
	return tag, f.answer(fault, key, err)
}

// Remove implements bucket.Bucket.
func (f *Faulty) Remove(ctx context.Context, key string) error {
	fault, err := f.next(ctx, "remove", key)
	if err != nil {
		return err
	}
	f.remember(ctx)
	return f.answer(fault, key, f.inner.Remove(ctx, key))
}

// Head implements bucket.Bucket.
func (f *Faulty) Head(ctx context.Context, key string) (bucket.Object, error) {
	fault, err := f.next(ctx, "head", key)
	if err != nil {
		return bucket.Object{}, err
	}
	o, err := f.inner.Head(ctx, key)
	return o, f.answer(fault, key, err)
}

// Get implements bucket.Bucket.
func (f *Faulty) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	fault, err := f.next(ctx, "get", key)
	if err != nil {
		return nil, bucket.Object{}, err
	}
	body, o, err := f.inner.Get(ctx, key, ask)
	if err != nil {
		return nil, o, err
	}
	if err := f.answer(fault, key, nil); err != nil {
		return nil, bucket.Object{}, errors.Join(err, body.Close())
	}
	if fault == Truncated {
		length, err := ask.Check(o)
		return &truncated{io.LimitReader(body, length/2), body}, o, err
	}
	return body, o, nil
}

type truncated struct {
	io.Reader
	io.Closer
}

func (t *truncated) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// remember saves the objects for a Stale list, if there is a Stale fault.
func (f *Faulty) remember(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.faults {
		if fault == Stale {
			f.before = nil
			for o, err := range f.inner.List(ctx, "") {
				if err == nil {
					f.before = append(f.before, o)
				}
			}
			return
		}
	}
}

// List implements bucket.Bucket.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		fault, err := f.next(ctx, "list", prefix)
		if err = f.answer(fault, prefix, err); err != nil {
			yield(bucket.Object{}, err)
			return
		}
		if fault == Stale {
			f.listStale(prefix, yield)
			return
		}
		f.inner.List(ctx, prefix)(yield)
	}
}

func (f *Faulty) listStale(prefix string, yield func(bucket.Object, error) bool) {
	f.mu.Lock()
	before := slices.Clone(f.before)
	f.mu.Unlock()
	for _, o := range before {
		if len(o.Key) >= len(prefix) && o.Key[:len(prefix)] == prefix && !yield(o, nil) {
			return
		}
	}
}
