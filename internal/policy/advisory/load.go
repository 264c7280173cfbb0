package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// Limits: see the package comment.
const (
	maxAdvisory   = 1 << 20
	maxFiles      = 500_000
	maxAdvisories = 200_000
	maxProblems   = 100
)

// Load reads the advisories of folders and git repositories. Each must have some: an empty
// or wrong folder would let everything through. Errors: [fs.ErrNotExist].
func Load(ctx context.Context, dirs []string) (*DB, error) {
	db := &DB{crates: map[string][]*Advisory{}}
	for _, dir := range dirs {
		l := &loader{db: db, dir: dir}
		before := db.number + len(db.Problems)
		if err := l.load(ctx); err != nil {
			return nil, fmt.Errorf("reading advisories of %s: %w", dir, err)
		}
		if db.number+len(db.Problems) == before {
			return nil, fmt.Errorf("reading advisories of %s: there is none of crates.io: want a clone of RustSec's advisory-db, or a folder of OSV files", dir)
		}
	}
	return db, nil
}

// A loader reads one folder.
type loader struct {
	db    *DB
	dir   string
	files int
}

func (l *loader) load(ctx context.Context) error {
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	gitDir, _ := git.Find(root)
	if gitDir == "" {
		return l.folder(ctx, root.FS())
	}
	return l.repository(ctx, &git.Repository{Dir: gitDir})
}

// A kind is a format of advisories.
type kind uint8

const (
	other kind = iota
	rustsec
	osvJSON
)

// kindOf returns the kind of file that a path should be.
func kindOf(name string) kind {
	switch {
	case strings.HasPrefix(name, "."):
		return other
	case strings.HasPrefix(name, "crates/") && path.Ext(name) == ".md":
		return rustsec
	case path.Ext(name) != ".json":
		return other
	// malicious-packages has a folder for each ecosystem.
	case strings.HasPrefix(name, "osv/") && !strings.Contains(name, "/"+ecosystem+"/"):
		return other
	}
	return osvJSON
}

// folder reads a folder that is not a repository.
func (l *loader) folder(ctx context.Context, fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if err := l.count(); err != nil || !d.Type().IsRegular() || kindOf(name) == other {
			return err
		}
		data, err := readSome(fsys, name)
		if err != nil {
			l.problem(name, err)
			return nil
		}
		return l.parse(name, data)
	})
}

var errLong = fmt.Errorf("it has more than %d bytes", maxAdvisory)

func readSome(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAdvisory+1))
	if len(data) > maxAdvisory {
		err = errLong
	}
	return data, err
}

// repository reads HEAD's commit.
func (l *loader) repository(ctx context.Context, repo *git.Repository) (err error) {
	var names []string
	err = repo.EachField(ctx, func(field []byte) error {
		if name := string(field); kindOf(name) != other {
			names = append(names, name)
		}
		return l.count()
	}, "ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD")
	if err != nil {
		return err
	}
	b, err := repo.Batch(ctx, "--batch")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, name := range names {
		if strings.ContainsAny(name, "\n\r") {
			continue
		}
		data, _, err := b.Object("HEAD:"+name, "blob", maxAdvisory)
		if errors.As(err, new(*git.ObjectError)) {
			l.problem(name, err)
			continue
		}
		if err == nil {
			err = l.parse(name, data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (l *loader) count() error {
	if l.files++; l.files > maxFiles {
		return fmt.Errorf("there are more than %d files", maxFiles)
	}
	return nil
}

// parse parses a file and adds its advisories.
func (l *loader) parse(name string, data []byte) error {
	var all []*Advisory
	var err error
	if kindOf(name) == osvJSON {
		all, err = parseOSV(data)
	} else if a, bad := parseRustSec(data); a != nil || bad != nil {
		all, err = []*Advisory{a}, bad
	}
	if err != nil {
		l.problem(name, err)
		return nil
	}
	for _, a := range all {
		l.db.add(a)
	}
	if l.db.number > maxAdvisories {
		return fmt.Errorf("there are more than %d advisories of crates", maxAdvisories)
	}
	return nil
}

// problem records a file that cannot be parsed; the first hundred suffice.
func (l *loader) problem(name string, err error) {
	if len(l.db.Problems) < maxProblems {
		l.db.Problems = append(l.db.Problems, Problem{l.dir + "/" + name, err})
	}
}
