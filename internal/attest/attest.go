// Package attest signs statements of what a mirror holds, and proves them later.
//
// # What counts
//
// A version counts as held if the index names it and the catalog has a row with the
// checksum that the index names, verified and current. Earlier bytes of a version do not
// count, nor do crates in a bundle that no index names, nor versions whose checksum differs
// from the index's. The catalog commits rows only after the bytes are durable; bytes
// written with -durability none are synced before the statement. Yanked versions count. A
// line of the index that cannot be parsed counts as a version that is not held.
//
// # Order
//
// New leaves are first collected beside the log, so that a mirror that turns out to be
// incomplete leaves the log unchanged. Then Run writes the tiles, the checkpoint (package
// tilelog), and last the rows of the catalog. The log is the truth about its content: a
// catalog that was lost, is older, or missed the leaves because a run was killed learns
// them from the log before anything is appended.
package attest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// An Index is the part of *index.Index that attest uses.
type Index interface {
	Crates(ctx context.Context, want func(index.File) bool) iter.Seq2[*index.Crate, error]
	Commit() string
	CommitTime() time.Time
}

// Config says what to state. The caller holds the mirror's lock.
type Config struct {
	Index   Index
	Catalog *catalog.Catalog
	Folder  durable.FS // of the log
	Origin  string     // name of the log
	// Sign signs a text and returns the checkpoint. Verify checks signatures by the same
	// keys: it must accept the existing checkpoint, unless NewKeys is set.
	Sign     func(text string) (checkpoint []byte, err error)
	Verify   statement.Verify
	NewKeys  bool
	Manifest statement.Manifest // zero: none
	Sync     func() error       // makes what the mirror holds durable
	Partial  bool               // allow a statement about an incomplete mirror
	Log      *slog.Logger       // default: none
	Now      func() time.Time   // default: time.Now
}

// Result describes a statement.
type Result struct {
	*statement.Statement
	New int64 // leaves
}

// maxMissing bounds IncompleteError.Missing.
const maxMissing = 10

// An IncompleteError says that the mirror lacks versions that the index names.
type IncompleteError struct {
	Held, Named int64
	Commit      string
	Missing     []crate.ID // the first of them
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d of %d versions of index commit %s are not held", e.Named-e.Held, e.Named, e.Commit)
}

// errNoCommit reports an index without a commit.
var errNoCommit = errors.New("the index is a plain folder: a statement names a commit, so it takes the index as a git repository (clonecratesio sync clones one)")

// Run makes a statement. Errors: *IncompleteError; tilelog.ErrDamaged.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Index.Commit() == "" {
		return nil, errNoCommit
	}
	last, err := cfg.last()
	if err != nil {
		return nil, err
	}
	if err := record(ctx, cfg.Catalog, last); err != nil {
		return nil, err
	}
	c, err := cfg.count(ctx)
	if err != nil {
		return nil, err
	}
	defer c.leaves.close()
	if c.held < c.named && !cfg.Partial {
		return nil, &IncompleteError{Held: c.held, Named: c.named, Commit: cfg.Index.Commit(), Missing: c.missing}
	}
	s, err := cfg.publish(ctx, c, last)
	if err != nil {
		return nil, err
	}
	now, err := tilelog.Open(cfg.Folder)
	if err == nil {
		err = record(ctx, cfg.Catalog, now)
	}
	if err != nil {
		return nil, fmt.Errorf("the statement is published, but the catalog has not learned of it, which the next one makes up for: %w", err)
	}
	return &Result{Statement: s, New: c.leaves.count}, nil
}

// last opens the log, or returns nil if there is none. It rejects a log that other keys
// signed.
func (cfg *Config) last() (*tilelog.Log, error) {
	l, err := tilelog.Open(cfg.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if l.Origin != cfg.Origin {
		return nil, fmt.Errorf("the log is of %q, the key or -origin says %q: a log keeps its name; begin another one in another -log-dir", l.Origin, cfg.Origin)
	}
	if err := cfg.Verify(l.Checkpoint); err != nil && !cfg.NewKeys {
		return nil, fmt.Errorf("the last checkpoint of the log: %w; -new-key says that the log is to be signed with another key from now on", err)
	}
	return l, nil
}

// publish appends the leaves, and writes the statement as the log's checkpoint.
func (cfg *Config) publish(ctx context.Context, c *count, last *tilelog.Log) (*statement.Statement, error) {
	if last == nil && c.leaves.count == 0 {
		return nil, errors.New("nothing to state: the mirror holds no version that the index names")
	}
	if err := cfg.Sync(); err != nil {
		return nil, fmt.Errorf("making the mirror durable: %w", err)
	}
	at := cfg.Now()
	if last != nil && !at.Truncate(time.Millisecond).After(last.At) {
		return nil, fmt.Errorf("the clock says %s, the last statement is of %s: set the clock", at.UTC().Format(time.RFC3339), last.At.Format(time.RFC3339))
	}
	tree, a, err := cfg.append(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &statement.Statement{
		Origin: cfg.Origin, Tree: tree, Held: c.held, Named: c.named,
		Commit: cfg.Index.Commit(), CommitTime: cfg.Index.CommitTime(), At: at, Manifest: cfg.Manifest,
	}
	if s, err = statement.Parse(s.Text()); err != nil {
		return nil, fmt.Errorf("making the statement: %w", err)
	}
	checkpoint, err := cfg.Sign(s.Text())
	if err != nil {
		return nil, err
	}
	if err := cfg.Verify(checkpoint); err != nil { // an invalid one would stay in the log forever
		return nil, fmt.Errorf("checking the signature before it is published: %w", err)
	}
	return s, a.Publish(checkpoint)
}

func (cfg *Config) append(ctx context.Context, c *count) (tlog.Tree, *tilelog.Appender, error) {
	a, err := tilelog.Begin(cfg.Folder, c.leaves.count)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	for key, err := range c.leaves.read(ctx) {
		if err == nil {
			err = a.Add(key)
		}
		if err != nil {
			return tlog.Tree{}, nil, err
		}
	}
	tree, err := a.Finish()
	return tree, a, err
}
