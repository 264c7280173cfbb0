package index

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// errMissing is for blobs that a partial clone lacks.
var errMissing = errors.New("the git repository lacks this blob; in a partial clone, fetch it or clone in full")

// objects reads blobs, one after the other, into chunks.
type objects struct {
	*git.Batch
	err error // after an error, git's answers can no longer be matched
}

func (r *repository) openObjects(ctx context.Context) (*objects, error) {
	b, err := r.Batch(ctx, "--batch")
	if err != nil {
		return nil, err
	}
	return &objects{Batch: b}, nil
}

// ask requests a blob. It blocks while git has not read earlier requests, so another
// goroutine must be reading the answers.
func (o *objects) ask(b Blob) error {
	_, err := io.WriteString(o.In, b.String()+"\n")
	return err
}

// askAll requests the blobs of c.
func (o *objects) askAll(c *chunk) error {
	ids := make([]byte, 0, chunkFiles*(hex.EncodedLen(len(Blob{}))+len("\n")))
	for i := range c.crates {
		if c.crates[i].Err == nil {
			ids = hex.AppendEncode(ids, c.crates[i].Blob[:])
			ids = append(ids, '\n')
		}
	}
	_, err := o.In.Write(ids)
	return err
}

// read implements reader for a blob that was requested.
func (o *objects) read(_ context.Context, cr *Crate, c *chunk, b *budget) error {
	if o.err == nil {
		o.err = o.answer(cr, c, b)
	}
	return o.err
}

func (o *objects) answer(cr *Crate, c *chunk, b *budget) error {
	header, err := o.Out.ReadString('\n')
	if err != nil {
		return o.died(cr, err)
	}
	id, rest, _ := strings.Cut(strings.TrimSuffix(header, "\n"), " ")
	if id != cr.Blob.String() {
		return fmt.Errorf("reading blob %s of %s: git answered %.100q", cr.Blob, cr.Path, header)
	}
	if rest == "missing" {
		cr.Err = errMissing
		return nil
	}
	kind, digits, _ := strings.Cut(rest, " ")
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || kind != "blob" {
		return fmt.Errorf("reading blob %s of %s: git answered %.100q", cr.Blob, cr.Path, header)
	}
	if cr.Err = checkSize(size); cr.Err != nil {
		_, err = io.CopyN(io.Discard, o.Out, size)
	} else {
		err = o.content(size, c, b)
	}
	if err == nil {
		_, err = o.Out.Discard(len("\n"))
	}
	if err != nil {
		return o.died(cr, err)
	}
	return nil
}

func (o *objects) content(size int64, c *chunk, b *budget) error {
	buf, err := c.grow(size, b)
	if err == nil {
		_, err = io.ReadFull(o.Out, buf)
	}
	return err
}

// died explains why an answer ended early.
func (o *objects) died(cr *Crate, err error) error {
	return fmt.Errorf("reading blob %s of %s: %w", cr.Blob, cr.Path, errors.Join(o.Close(), err))
}

// An objectStore is an index in a repository without a working tree.
type objectStore struct {
	repo   *repository
	commit string
}

func (s *objectStore) list(ctx context.Context) iter.Seq2[listed, error] {
	return s.repo.list(ctx, s.commit)
}

func (s *objectStore) Close() error { return nil }

// start starts three stages: one goroutine requests blobs from git, well ahead of the next
// one, which reads the answers, so that git never waits for either. Then one goroutine per
// core parses.
func (s *objectStore) start(ctx context.Context, r *run) error {
	o, err := s.repo.openObjects(ctx)
	if err != nil {
		return err
	}
	asked := make(chan *chunk, r.ahead)
	filled := make(chan *chunk)
	r.wg.Go(func() {
		defer close(asked)
		for c := range r.todo {
			// An error here means that git died; reading will find that, too.
			_ = o.askAll(c)
			asked <- c // has room, like todo
		}
	})
	r.wg.Go(func() {
		defer close(filled)
		defer o.Close()
		for c := range asked {
			for c != nil {
				rest := c.fill(ctx, o, r.budget)
				select {
				case filled <- c:
				case <-ctx.Done():
					return
				}
				c = rest
			}
		}
	})
	for range runtime.GOMAXPROCS(0) {
		r.wg.Go(func() {
			p := &fileParser{log: r.log}
			for c := range filled {
				c.parse(p)
			}
		})
	}
	return nil
}
