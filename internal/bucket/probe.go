package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// racers is how many requests create, or replace, at the same time.
	racers = 16
	// fewRounds suffice for a provider that lets several requests succeed in most rounds;
	// Probe uses them whenever a bucket is opened. manyRounds also find, almost certainly, a
	// provider that does so in every tenth round.
	fewRounds  = 2
	manyRounds = 20
	// ProbeDir is the prefix of the probe's keys. A killed probe leaves them behind.
	ProbeDir = "probe"
	// largeProbe is longer than two parts of S3's smallest size, in bytes.
	largeProbe = 11 << 20
)

// Finding is the result of one check of a provider.
type Finding struct {
	Check  string // one word
	Right  string // the requirement, as a sentence
	Err    error  // what the provider did instead; nil: it passes
	Advice string // what to do if it fails
}

// A ProviderError says that the provider of a bucket breaks the contract.
type ProviderError struct {
	Bucket string
	Finding
}

func (e *ProviderError) Error() string {
	return fmt.Sprintf("the provider of %s cannot be used: %v, but %s; %s", e.Bucket, e.Err, e.Right, e.Advice)
}

func (e *ProviderError) Unwrap() error { return e.Err }

// Probe checks within a second whether a bucket keeps the contract, and returns a
// *ProviderError if not. It works below "probe/" and removes what it stored there.
func Probe(ctx context.Context, b Bucket) error {
	for f := range examine(ctx, b, fewRounds, false) {
		switch wrong := (*BrokenError)(nil); {
		case errors.As(f.Err, &wrong):
			return &ProviderError{b.String(), f}
		case f.Err != nil:
			return fmt.Errorf("probing %s: %w", b, f.Err)
		}
	}
	return nil
}

// Examine is a thorough Probe, with an upload in parts where the bucket has small ones. It
// yields each finding as soon as it is known.
func Examine(ctx context.Context, b Bucket) func(yield func(Finding) bool) {
	return examine(ctx, b, manyRounds, true)
}

func examine(ctx context.Context, b Bucket, rounds int, large bool) func(yield func(Finding) bool) {
	return func(yield func(Finding) bool) {
		p := &probe{b: b, dir: ProbeDir + "/" + rand.Text(), rounds: rounds}
		for _, c := range checks {
			if c.large && !large {
				continue
			}
			if !yield(Finding{c.name, c.right, c.run(p, ctx), c.advice}) {
				_ = p.clean(ctx) // the findings so far say enough
				return
			}
		}
		if err := p.clean(ctx); err != nil {
			yield(Finding{"remove", "a removed object must be gone", err, "allow s3:DeleteObject below " + ProbeDir + "/, and remove what is left there"})
		}
	}
}

// A check tests one requirement of the package comment.
type check struct {
	name, right, advice string
	large               bool // takes long: only Examine runs it
	run                 func(*probe, context.Context) error
}

const (
	useOther     = "use another provider, or a folder (file://)"
	onlyOne      = "two machines could write at the same time and overwrite each other's changes: " + useOther
	wrongIsThere = "bytes damaged in transit would be stored: " + useOther
)

var checks = []check{
	{"store", "a stored object must be readable and listed at once", useOther, false, (*probe).stored},
	{"keys", "keys with +, spaces and non-ASCII letters must be kept unchanged", useOther, false, (*probe).keys},
	{"range", "a range of an object must be readable", useOther, false, (*probe).ranges},
	{"checksum", "bytes without the signed checksum must be refused", wrongIsThere, false, (*probe).wrong},
	{"create", "If-None-Match must create an object only if none exists", onlyOne, false, (*probe).create},
	{"race", "only one of several simultaneous creates may succeed", onlyOne, false, (*probe).createRace},
	{"replace", "If-Match must replace an object only in the state that was read", onlyOne, false, (*probe).replace},
	{"updates", "only one of several simultaneous updates may succeed", onlyOne, false, (*probe).replaceRace},
	{"reads", "a read must return the tag of its bytes, so that no update is lost", onlyOne, false, (*probe).readModify},
	{"upload", "an object uploaded in parts must be readable, and a second upload must not replace it", useOther, true, (*probe).upload},
}

// A BrokenError says how a provider broke the contract.
type BrokenError struct{ text string }

func (e *BrokenError) Error() string { return e.text }

func wrongf(format string, args ...any) error { return &BrokenError{fmt.Sprintf(format, args...)} }

type probe struct {
	b      Bucket
	dir    string
	rounds int
}

func (p *probe) key(name string) string { return p.dir + "-" + name }

// clean removes the objects of the probe.
func (p *probe) clean(ctx context.Context) error {
	var keys []string
	for o, err := range p.b.List(ctx, p.dir+"-") {
		if err != nil {
			return err
		}
		keys = append(keys, o.Key)
	}
	for _, key := range keys {
		if err := p.b.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// has returns an error unless the object has this content.
func (p *probe) has(ctx context.Context, key, want string) error {
	got, o, err := ReadAll(ctx, p.b, key, Ask{}, int64(len(want))+1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return wrongf("%s cannot be found after it was stored", key)
	}
	if err == nil && (string(got) != want || o.Size != int64(len(want))) {
		err = wrongf("%s has %.40q instead of %.40q", key, got, want)
	}
	return err
}

func (p *probe) stored(ctx context.Context) error {
	const text = "stored"
	tag, err := p.b.Put(ctx, p.key("k"), Bytes([]byte(text)), Absent())
	if err != nil {
		return err
	}
	if err := p.has(ctx, p.key("k"), text); err != nil {
		return err
	}
	if o, err := p.b.Head(ctx, p.key("k")); err != nil || o.Tag != tag || tag == "" {
		return orWrongf(err, "the tag was %s and is %s", tag, o.Tag)
	}
	for o, err := range p.b.List(ctx, p.dir+"-") {
		if err != nil || o.Key == p.key("k") {
			return err
		}
	}
	return wrongf("%s is not listed after it was stored", p.key("k"))
}

func orWrongf(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return wrongf(format, args...)
}

func (p *probe) keys(ctx context.Context) error {
	for _, name := range []string{"a+b 1", "a b+1", "a%2Bb", "é"} {
		if _, err := p.b.Put(ctx, p.key(name), Bytes([]byte(name)), Absent()); err != nil {
			return err
		}
	}
	for _, name := range []string{"a+b 1", "a b+1", "a%2Bb", "é"} {
		if err := p.has(ctx, p.key(name), name); err != nil {
			return err
		}
	}
	return nil
}

func (p *probe) ranges(ctx context.Context) error {
	if _, err := p.b.Put(ctx, p.key("range"), Bytes([]byte("0123456789")), Absent()); err != nil {
		return err
	}
	got, o, err := ReadAll(ctx, p.b, p.key("range"), Ask{Offset: 3, Length: 4}, 100)
	if err != nil || string(got) != "3456" || o.Size != 10 {
		return orWrongf(err, "the answer is %q of %d bytes instead of 3456 of 10", got, o.Size)
	}
	return nil
}

func (p *probe) wrong(ctx context.Context) error {
	body := Bytes([]byte("announced"))
	body.Data = strings.NewReader("delivered")
	_, err := p.b.Put(ctx, p.key("wrong"), body, Absent())
	if err == nil {
		return wrongf("bytes with a wrong checksum were stored")
	}
	if _, err := p.b.Head(ctx, p.key("wrong")); !errors.Is(err, fs.ErrNotExist) {
		return orWrongf(err, "bytes with a wrong checksum were stored although they were refused")
	}
	return nil
}

func (p *probe) create(ctx context.Context) error {
	if _, err := p.b.Put(ctx, p.key("create"), Bytes([]byte("first")), Absent()); err != nil {
		return err
	}
	if _, err := p.b.Put(ctx, p.key("create"), Bytes([]byte("second")), Absent()); err == nil {
		return wrongf("an object was created although one existed")
	} else if !errors.Is(err, ErrExists) {
		return err
	}
	return p.has(ctx, p.key("create"), "first")
}

func (p *probe) createRace(ctx context.Context) error {
	most := 0
	for round := range p.rounds {
		key := p.key(fmt.Sprint("race-", round))
		won, err := race(func(n int) error {
			_, err := p.b.Put(ctx, key, Bytes(fmt.Append(nil, "writer ", n)), Absent())
			return err
		}, ErrExists)
		if err != nil {
			return err
		}
		most = max(most, won)
		if won == 0 {
			return wrongf("none of %d simultaneous creates succeeded", racers)
		}
	}
	if most > 1 {
		return wrongf("%d of %d simultaneous creates succeeded", most, racers)
	}
	return nil
}

// race starts all racers at once and counts those that succeed. All others must fail with the
// error lost.
func race(do func(n int) error, lost error) (won int, err error) {
	var wg sync.WaitGroup
	var count atomic.Int64
	start, errs := make(chan struct{}), make([]error, racers)
	for n := range racers {
		wg.Go(func() {
			<-start
			if err := do(n); err == nil {
				count.Add(1)
			} else if !errors.Is(err, lost) {
				errs[n] = err
			}
		})
	}
	close(start)
	wg.Wait()
	return int(count.Load()), errors.Join(errs...)
}

func (p *probe) replace(ctx context.Context) error {
	first, err := p.b.Put(ctx, p.key("replace"), Bytes([]byte("first")), Absent())
	if err != nil {
		return err
	}
	if _, err := p.b.Put(ctx, p.key("replace"), Bytes([]byte("second")), Unchanged(first)); err != nil {
		return err
	}
	if _, err := p.b.Put(ctx, p.key("replace"), Bytes([]byte("third")), Unchanged(first)); err == nil {
		return wrongf("an object that had changed was replaced")
	} else if !errors.Is(err, ErrChanged) {
		return err
	}
	return p.has(ctx, p.key("replace"), "second")
}

// replaceRace lets all racers read an object and then replace the state that they read.
func (p *probe) replaceRace(ctx context.Context) error {
	tag, err := p.b.Put(ctx, p.key("swap"), Bytes([]byte("none")), Absent())
	if err != nil {
		return err
	}
	for round := range p.rounds {
		won, err := race(func(n int) error {
			_, err := p.b.Put(ctx, p.key("swap"), Bytes(fmt.Append(nil, round, " by ", n)), Unchanged(tag))
			return err
		}, ErrChanged)
		if err != nil {
			return err
		}
		if won != 1 {
			return wrongf("%d of %d simultaneous updates succeeded", won, racers)
		}
		o, err := p.b.Head(ctx, p.key("swap"))
		if err != nil {
			return err
		}
		tag = o.Tag
	}
	return nil
}

// readModify lets each racer read an object, add a letter, and replace the state that it read.
// Letters are lost if a provider returns the bytes of one state with the tag of another.
func (p *probe) readModify(ctx context.Context) error {
	if _, err := p.b.Put(ctx, p.key("count"), Bytes(nil), Absent()); err != nil {
		return err
	}
	var won atomic.Int64
	_, err := race(func(n int) error {
		for range p.rounds {
			data, o, err := ReadAll(ctx, p.b, p.key("count"), Ask{}, 1<<20)
			if err != nil {
				return err
			}
			_, err = p.b.Put(ctx, p.key("count"), Bytes(append(data, byte('a'+n))), Unchanged(o.Tag))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, ErrChanged) {
				return err
			}
		}
		return nil
	}, ErrChanged)
	if err != nil {
		return err
	}
	o, err := p.b.Head(ctx, p.key("count"))
	if err != nil || o.Size != won.Load() {
		return orWrongf(err, "only %d of %d successful updates are stored", o.Size, won.Load())
	}
	return nil
}

func (p *probe) upload(ctx context.Context) error {
	data := make([]byte, largeProbe)
	_, _ = rand.Read(data) // never fails
	if _, err := p.b.Upload(ctx, p.key("large"), Bytes(data), nil); err != nil {
		return err
	}
	across := Ask{Offset: largeProbe/2 - 100, Length: 200}
	got, o, err := ReadAll(ctx, p.b, p.key("large"), across, 1<<10)
	if err != nil || o.Size != largeProbe || !bytes.Equal(got, data[across.Offset:][:across.Length]) {
		return orWrongf(err, "a part of %d bytes is not what was uploaded", o.Size)
	}
	data[0]++
	if _, err := p.b.Upload(ctx, p.key("large"), Bytes(data), nil); !errors.Is(err, ErrExists) {
		return orWrongf(err, "an upload replaced an object")
	}
	return nil
}
