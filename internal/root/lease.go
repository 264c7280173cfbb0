package root

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Holder identifies a writer.
type Holder struct {
	Shard string // "": the whole mirror
	ID    string // random, of the mirror's folder: the holder of its lock may take over its own lease
	Owner string // for people
}

// A HeldError says that another writer holds a lease that excludes the wanted one.
type HeldError struct {
	Shard, Owner string    // of the other writer
	Until        time.Time // by its clock, unless it is renewed
}

func (e *HeldError) Error() string {
	what := "the mirror in the bucket"
	if e.Shard != "" {
		what = "shard " + e.Shard + " of the mirror in the bucket"
	}
	return fmt.Sprintf("%s is being written by %s, whose lease ends at %s if it has died", what, e.Owner, e.Until.UTC().Format(time.RFC3339))
}

// lease is the content of lease.json.
type lease struct {
	Format  int    `json:"format"`
	Epoch   int64  `json:"epoch"` // the highest that was given out
	Holders []hold `json:"holders"`
}

// hold is the lease of one writer.
type hold struct {
	Shard string    `json:"shard"`
	ID    string    `json:"id"`
	Owner string    `json:"owner"`
	Word  string    `json:"word"` // random, of the session
	Epoch int64     `json:"epoch"`
	Until time.Time `json:"until"`
}

const maxLease = 1 << 20 // bytes

// readLease reads the leases; none if there never was one.
func readLease(ctx context.Context, b bucket.Reader) (*lease, bucket.Condition, error) {
	data, object, err := bucket.ReadAll(ctx, b, LeaseName, bucket.Ask{}, maxLease)
	if errors.Is(err, fs.ErrNotExist) {
		return &lease{Format: Format}, bucket.Absent(), nil
	}
	if err != nil {
		return nil, bucket.Condition{}, err
	}
	l, err := parseLease(data)
	if err != nil {
		err = fmt.Errorf("reading %s: %w (remove the object if no writer runs: the epoch in %s is what protects the mirror)", LeaseName, err, Name)
	}
	return l, bucket.Unchanged(object.Tag), err
}

func parseLease(data []byte) (*lease, error) {
	l := new(lease)
	if err := json.Unmarshal(data, l); err != nil {
		return nil, err
	}
	if l.Format != Format || l.Epoch < 0 || len(l.Holders) > maxWriters {
		return nil, fmt.Errorf("format %d, epoch %d, %d holders", l.Format, l.Epoch, len(l.Holders))
	}
	for i := range l.Holders {
		h := &l.Holders[i]
		if err := cmp.Or(CheckShard(h.Shard), checkWord("id", h.ID), checkWord("owner", h.Owner), checkWord("word", h.Word)); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *lease) put(ctx context.Context, b bucket.Bucket, when bucket.Condition) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	body := bucket.Bytes(append(data, '\n'))
	body.ContentType, body.CacheControl = "application/json", "no-store"
	_, err = b.Put(ctx, LeaseName, body, when)
	return err
}

// excludes reports whether two shards must not be written at the same time: they are the
// same, or not from the same division.
func excludes(a, b string) bool {
	_, partsA, _ := strings.Cut(a, "/")
	_, partsB, _ := strings.Cut(b, "/")
	return a == b || partsA != partsB
}

// heldAgainst returns an error that names another holder who excludes a lease of h, or nil.
func (l *lease) heldAgainst(h Holder, now time.Time) error {
	for _, other := range l.Holders {
		own := other.Shard == h.Shard && other.ID == h.ID && h.ID != ""
		if excludes(h.Shard, other.Shard) && !own && now.Before(other.Until) {
			return &HeldError{other.Shard, other.Owner, other.Until}
		}
	}
	return nil
}

// take adds a lease with a new epoch, and ends those that it excludes.
func (l *lease) take(h Holder, word string, epoch int64, until time.Time) {
	l.Epoch = max(l.Epoch, epoch)
	l.Holders = slices.DeleteFunc(l.Holders, func(other hold) bool { return excludes(h.Shard, other.Shard) })
	l.Holders = append(l.Holders, hold{h.Shard, h.ID, h.Owner, word, epoch, until.UTC()})
}

// of returns the lease of a session, or nil if it no longer has one.
func (l *lease) of(word string) *hold {
	if i := slices.IndexFunc(l.Holders, func(h hold) bool { return h.Word == word }); i >= 0 {
		return &l.Holders[i]
	}
	return nil
}
