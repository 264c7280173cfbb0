package sparse

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// present is what we have: the files of HEAD, and the validators with which they came.
type present struct {
	repo       *git.Repository
	head       git.Revision
	remembered bool // there are validators
	log        *slog.Logger

	mu    sync.Mutex // guards files
	files *git.Batch // nil: no commit yet
	known validators // for the goroutine that decides what to request
}

func openPresent(ctx context.Context, repo *git.Repository, head git.Revision, remembered bool, log *slog.Logger) (*present, error) {
	p := &present{repo: repo, head: head, remembered: remembered, log: log}
	if head.Commit == "" {
		return p, nil
	}
	for _, b := range []**git.Batch{&p.files, &p.known.Batch} {
		var err error
		if *b, err = repo.Batch(ctx, "--batch"); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

func (p *present) close() error {
	var errs []error
	for _, b := range []*git.Batch{p.files, p.known.Batch} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	return errors.Join(errs...)
}

// blob returns what is at a path, zero for nothing.
func (p *present) blob(path string) (git.ID, error) {
	if p.files == nil {
		return git.ID{}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, id, err := p.files.Object(p.head.Commit+":"+path, "blob", index.MaxFile)
	if isAbsent(err) {
		return git.ID{}, nil
	}
	return id, err
}

// content returns the content of a file.
func (p *present) content(id git.ID) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, _, err := p.files.Object(id.String(), "blob", index.MaxFile)
	return text, err
}

// validator returns the validator with which a file came.
func (p *present) validator(file index.File) (Validator, error) {
	if !p.remembered || file.Blob == (git.ID{}) {
		return Validator{}, nil
	}
	if err := p.known.ask(stateRef + ":" + file.Path); err != nil {
		return Validator{}, err
	}
	return p.known.answer(&file)
}
