package buckettest

import (
	"context"
	"io"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// A Lie is a part of the contract that a provider claims to keep and does not.
type Lie int

// The lies; each is one of an existing server.
const (
	Honest          Lie = iota
	SeveralCreate       // of many who create at a time several succeed, one by one only one
	LosesUpdates        // of many who replace at a time several succeed
	IgnoresAbsent       // creating replaces
	IgnoresTag          // replacing does not look at the tag
	KeepsWrong          // bytes that do not have their checksum are stored, without an error
	RefusesAndKeeps     // they are refused, and stored all the same
	IgnoresRange        // all bytes come where a part was asked for
	IgnoresUnless       // what is unchanged comes again
	TornReads           // the bytes of one state come with the tag of the next
)

// Liar is b at a provider that lies.
func Liar(b bucket.Bucket, lie Lie) bucket.Bucket { return &liar{b, lie} }

type liar struct {
	bucket.Bucket
	lie Lie
}

// gap is how long a liar looks away between looking and storing.
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
