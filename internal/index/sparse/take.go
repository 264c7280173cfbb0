package sparse

import (
	"bytes"
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

// take requests a file and accepts the answer if it is credible.
func (l *look) take(ctx context.Context, a asking) error {
	had, done, err := l.atHand(&a)
	if err != nil || done {
		return err
	}
	l.tally.asked(&a)
	condition, whole := a.val, l.whole(a.path)
	if whole {
		condition = Validator{}
	}
	f, err := l.o.Client.Get(ctx, a.name, condition)
	defer func() { f.Release() }()
	if errors.Is(err, fs.ErrNotExist) {
		return l.gone(ctx, a)
	}
	if err != nil {
		return err
	}
	if doubt, err := l.doubts(a, &f, had); err != nil {
		return err
	} else if doubt {
		f.Release()
		if f, err = l.o.Client.GetAgain(ctx, a.name); err != nil {
			return err
		}
		if !a.isMet(&f) {
			l.tally.askAgain(a.name) // caches may lag behind what reports changes
		}
	} else if whole {
		l.try(ctx, a, &f)
	}
	if f.NotModified {
		l.note(had)
		return nil
	}
	l.note(f.Body)
	return l.put(a, &f)
}

// atHand reads our file if that is useful, and reports whether no request is needed because
// we know what the feed names.
func (l *look) atHand(a *asking) (had []byte, done bool, err error) {
	if a.have == (git.ID{}) || !l.follow && a.version == "" {
		return nil, false, nil
	}
	if had, err = l.present.content(a.have); err != nil {
		return nil, false, err
	}
	if versions(had)[a.version] {
		if l.newsOnly {
			l.note(had)
			return had, true, nil
		}
		a.version = ""
	}
	return had, false, nil
}

// isMet reports whether a file has what was wished for, if anything was.
func (a *asking) isMet(f *File) bool {
	switch {
	case a.gone:
		return false
	case a.blob != (git.ID{}) && f.NotModified:
		return a.have == a.blob
	case a.blob != (git.ID{}):
		return git.BlobID(f.Body) == a.blob
	case a.version != "": // what is here does not have it either
		return !f.NotModified && versions(f.Body)[a.version]
	}
	return true
}

// doubts reports whether a file has less than before, or than it should have: such an
// answer must be confirmed.
func (l *look) doubts(a asking, f *File, had []byte) (bool, error) {
	if !a.isMet(f) {
		return true, nil
	}
	if a.have == (git.ID{}) || f.NotModified || git.BlobID(f.Body) == a.have {
		return false, nil
	}
	var err error
	if had == nil {
		had, err = l.present.content(a.have)
	}
	return err == nil && shrunk(had, f.Body), err
}

// try requests again a file that came whole and differs from ours, as if it had not come:
// if the index then says "not changed", it has been wrong until now.
func (l *look) try(ctx context.Context, a asking, f *File) {
	if a.have == (git.ID{}) || a.val.IsZero() || git.BlobID(f.Body) == a.have {
		return
	}
	again, err := l.o.Client.Get(ctx, a.name, a.val)
	if err == nil && again.NotModified {
		l.tally.count(func(r *Result) { r.Lied++ })
		l.o.Log.Warn("the index reports a changed file as 'not changed'", "crate", a.name)
	}
	again.Release()
}

// put stores the answer.
func (l *look) put(a asking, f *File) error {
	id := git.BlobID(f.Body)
	if id != a.have {
		if err := l.emit.file(a.path, f.Body); err != nil {
			return err
		}
		l.tally.count(func(r *Result) { r.Changed++ })
	}
	if id == a.have && f.Validator == a.val {
		return nil
	}
	return l.spool.add(a.path, remembered(id, f.Validator))
}

// gone handles a crate that the index does not have. If we have it, or something reports
// it, it is requested a second time.
func (l *look) gone(ctx context.Context, a asking) error {
	told := a.version != "" || a.blob != (git.ID{})
	if a.have == (git.ID{}) && !told {
		return nil
	}
	f, err := l.o.Client.GetAgain(ctx, a.name)
	defer func() { f.Release() }()
	if err == nil {
		l.note(f.Body)
		return l.put(a, &f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if a.have == (git.ID{}) {
		l.tally.askAgain(a.name) // the index may lag behind what reports changes, which will not name the crate again
		return nil
	}
	l.tally.count(func(r *Result) { r.Removed++ })
	return l.emit.remove(a.path)
}

// note records what a crate depends on.
func (l *look) note(text []byte) {
	if !l.follow {
		return
	}
	found := map[string]bool{}
	for line := range bytes.Lines(text) {
		d, err := details.Parse(bytes.TrimRight(line, "\r\n"))
		if err != nil {
			continue
		}
		for _, dep := range d.Deps {
			if dep.Registry == "" && crate.CheckName(dep.Crate()) == nil {
				found[dep.Crate()] = true
			}
		}
	}
	l.tally.needs(found)
}

// shrunk reports whether a file lacks versions that it had before.
func shrunk(had, has []byte) bool {
	if bytes.HasPrefix(has, had) {
		return false
	}
	now := versions(has)
	for v := range versions(had) {
		if !now[v] {
			return true
		}
	}
	return false
}

func versions(text []byte) map[string]bool {
	all := map[string]bool{}
	for line := range bytes.Lines(text) {
		if e, err := index.ParseLine(bytes.TrimRight(line, "\r\n")); err == nil {
			all[e.Version] = true
		}
	}
	return all
}
