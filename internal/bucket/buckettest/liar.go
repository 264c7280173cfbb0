package buckettest

import (
	"context"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// A Lie is a promise that a provider claims to keep and breaks.
type Lie int

// The lies. Each occurs in an existing server.
const (
	Honest          Lie = iota
	SeveralCreate       // of concurrent creates several succeed, of sequential ones only one
	LosesUpdates        // of concurrent replaces several succeed
	IgnoresAbsent       // creating replaces
	IgnoresTag          // replacing ignores the tag
	KeepsWrong          // bytes with a wrong checksum are stored, without an error
	RefusesAndKeeps     // they are rejected, and stored anyway
	IgnoresRange        // a request for a range returns all bytes
	IgnoresUnless       // an unchanged object is sent again
	TornReads           // the bytes of one state are sent with the tag of the next
)

// Liar returns b as offered by a provider that lies.
func Liar(b bucket.Bucket, lie Lie) bucket.Bucket { return &liar{b, lie} }

type liar struct {
	bucket.Bucket
	lie Lie
}

// gap is the time between a liar's check and its write.
const gap = 20 * time.Millisecond

func (l *liar) Put(ctx context.Context, key string, body bucket.Body, when bucket.Condition) (bucket.Tag, error) {
	creates := when == bucket.Absent()
	replaces := !creates && when != bucket.Always()
	switch {
	case l.lie == IgnoresAbsent && creates, l.lie == IgnoresTag && replaces:
		when = bucket.Always()
	case l.lie == SeveralCreate && creates, l.lie == LosesUpdates && replaces:
		o, err := l.Head(ctx, key)
		if err := when.Check(o.Tag, err == nil); err != nil {
			return "", err
		}
		time.Sleep(gap)
		when = bucket.Always()
	}
	tag, err := l.Bucket.Put(ctx, key, body, when)
	if _, wrong := err.(*bucket.RefusedError); wrong && (l.lie == KeepsWrong || l.lie == RefusesAndKeeps) {
		tag, kept := l.keep(ctx, key, body)
		if l.lie == KeepsWrong {
			return tag, kept
		}
	}
	return tag, err
}

func (l *liar) keep(ctx context.Context, key string, body bucket.Body) (bucket.Tag, error) {
	data, err := io.ReadAll(io.NewSectionReader(body.Data, 0, body.Size))
	if err != nil {
		return "", err
	}
	return l.Bucket.Put(ctx, key, bucket.Bytes(data), bucket.Always())
}

func (l *liar) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	switch l.lie {
	case TornReads:
		return l.torn(ctx, key, ask)
	case IgnoresRange:
		ask.Offset, ask.Length = 0, 0
	case IgnoresUnless:
		ask.Unless = ""
	}
	return l.Bucket.Get(ctx, key, ask)
}

func (l *liar) torn(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	body, o, err := l.Bucket.Get(ctx, key, ask)
	if err != nil {
		return nil, o, err
	}
	time.Sleep(gap)
	if now, err := l.Head(ctx, key); err == nil {
		o.Tag = now.Tag
	}
	return body, o, nil
}
