package index

import (
	"context"
	"iter"
	"os"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// A checkout is an index in the working tree of a git repository.
type checkout struct {
	root   *os.Root
	repo   *repository
	commit string
}

func (s *checkout) Close() error { return s.root.Close() }

func (s *checkout) list(ctx context.Context) iter.Seq2[listed, error] {
	return s.repo.list(ctx, s.commit)
}

func (s *checkout) start(ctx context.Context, r *run) error {
	git := &fallback{repo: s.repo, warn: func(path string) {
		r.log.Warn("working tree differs from the commit, which counts: reading such files from git",
			"dir", s.root.Name(), "commit", s.commit, "first", path)
	}}
	var workers sync.WaitGroup
	for range readers() {
		workers.Go(func() {
			t := newTreeReader(s.root)
			defer t.close()
			r.work(ctx, &checkoutReader{t, git})
		})
	}
	r.wg.Go(func() {
		workers.Wait()
		git.close()
	})
	return nil
}

// A checkoutReader reads files from the working tree if they have the content of the
// commit, and the others from git.
type checkoutReader struct {
	*treeReader
	git *fallback
}

func (t *checkoutReader) read(ctx context.Context, cr *Crate, c *chunk, b *budget) error {
	start := len(c.content)
	content, err := t.content(cr.Path, c, b)
	if err == nil && git.BlobID(content) == cr.Blob {
		return nil
	}
	c.content = c.content[:start]
	return t.git.read(ctx, cr, c, b)
}

// A fallback reads blobs for many goroutines through one git, which it starts on first use.
// It needs no lock, because it serves only the chunk to be delivered next; that order is
// also the fastest one for git.
type fallback struct {
	repo    *repository
	warn    func(path string)
	objects *objects
}

func (g *fallback) read(ctx context.Context, cr *Crate, c *chunk, b *budget) error {
	if err := b.awaitTurn(c); err != nil {
		return err
	}
	if g.objects == nil {
		g.warn(cr.Path)
		o, err := g.repo.openObjects(ctx)
		if err != nil {
			return err
		}
		g.objects = o
	}
	// An error here means that git died; reading will find that, too.
	_ = g.objects.ask(cr.Blob)
	return g.objects.read(ctx, cr, c, b)
}

func (g *fallback) close() {
	if g.objects != nil {
		_ = g.objects.Close()
	}
}
