package carry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
)

// Apply moves the index in a folder to the commit of a bundle, which must be the expected
// one, and records its days. The folder is cfg.Dir, a bare repository made by this package
// or by clone. If there is none, Apply makes one, which requires a bundle without
// prerequisites. It ignores URL, Checkout and network settings of cfg.
//
// The bundle is untrusted. Apply checks its pack against the limits before git sees it.
// Then git checks it beside the objects of the index (fsck, and that nothing is missing
// that its references lead to); only then are its objects added. As with [clone.Update],
// HEAD moves last, atomically. Until then, and if Apply fails or is killed, readers see the
// old index. Applying the same bundle again changes nothing.
//
// Errors: those of clone.Update; in its *clone.UpdateError ErrFormat, *BaseError.
func Apply(ctx context.Context, cfg clone.Config, file io.ReadSeeker, commit string) (clone.Updated, error) {
	cfg.URL, cfg.Checkout = "", false
	cfg.Carried = func(ctx context.Context, work *git.Porcelain, gitDir string) error {
		in := incoming{ctx: ctx, cfg: cfg, work: work, repo: &git.Repository{Dir: gitDir}, file: file}
		return in.take(commit)
	}
	return clone.Update(ctx, cfg)
}

// Check does everything that Apply does before it changes anything, and changes nothing
// itself: it reads a bundle for the index in a folder, has git check it, and examines
// whether the index would go back in time or lose crates. If there is no index yet, it uses
// an empty one. Errors: those of Apply.
func Check(ctx context.Context, cfg clone.Config, file io.ReadSeeker, commit string) error {
	check := func(work *git.Porcelain, gitDir string) error {
		in := incoming{ctx: ctx, cfg: cfg, work: work, repo: &git.Repository{Dir: gitDir}, file: file}
		if err := in.check(commit); err != nil {
			return err
		}
		return in.inQuarantine(func(string) error { return nil })
	}
	err := clone.Inside(ctx, cfg, check)
	if errors.Is(err, fs.ErrNotExist) {
		err = clone.Beside(ctx, cfg, check)
	}
	return err
}

// readFor reads a header, whose commit must be the given one.
func readFor(r *bufio.Reader, commit string) (Header, error) {
	h, err := ReadHeader(r)
	if err == nil && h.Commit != commit {
		err = fmt.Errorf("%w of commit %.40s: it is of %s", ErrFormat, commit, h.Commit)
	}
	return h, err
}

// incoming is a bundle that is being added to a repository.
type incoming struct {
	ctx        context.Context
	cfg        clone.Config
	work       *git.Porcelain
	repo       *git.Repository
	file       io.ReadSeeker
	header     Header
	quarantine string // folder
}

func (in *incoming) take(commit string) (err error) {
	if err := in.check(commit); err != nil {
		return err
	}
	if err := in.inQuarantine(in.join); err != nil {
		return err
	}
	references, err := in.references()
	if err != nil {
		return err
	}
	_, err = in.work.Feed(in.ctx, references, "update-ref", "--stdin")
	return err
}

// ofTransfer are the words of a refusal.
var ofTransfer = clone.Words{Source: "the transfer", Gone: "no longer in the transfer", Todo: "ask the sending side"}

// examine rejects, while it is in quarantine, an index that an update would reject.
func (in *incoming) examine(came *git.Repository) (err error) {
	if in.cfg.AcceptShrink {
		return nil
	}
	var up clone.Updated
	if up.Before, err = in.repo.Head(in.ctx); err != nil && !errors.Is(err, git.ErrUnborn) {
		return err
	}
	if up.After, err = came.Revision(in.ctx, in.header.Commit); err != nil {
		return err
	}
	return clone.Examine(in.ctx, came, up, ofTransfer)
}

// inQuarantine lets git unpack and check the bundle beside the objects of the index,
// examines the resulting index, and passes the pack to then.
func (in *incoming) inQuarantine(then func(pack string) error) (err error) {
	// A name that git, and a later update, clean up.
	in.quarantine, err = os.MkdirTemp(filepath.Join(in.repo.Dir, "objects"), "tmp_objdir-carried-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(in.quarantine)
	guarded, err := in.guarded()
	if err != nil {
		return err
	}
	pack, err := in.unpack(guarded)
	if err != nil {
		return err
	}
	if err := in.examine(&git.Repository{Dir: in.repo.Dir, Quarantine: guarded.Quarantine, Shallow: guarded.Shallow}); err != nil {
		return err
	}
	return then(pack)
}

// check checks the bundle before git reads it.
func (in *incoming) check(commit string) (err error) {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(in.file, 64<<10)
	if in.header, err = readFor(r, commit); err != nil {
		return err
	}
	if err := in.keepHistory(); err != nil {
		return err
	}
	for _, id := range in.header.Since {
		if _, err := in.repo.Revision(in.ctx, id+"^{commit}"); errors.Is(err, git.ErrUnborn) {
			return &BaseError{id}
		} else if err != nil {
			return err
		}
	}
	return checkPack(r)
}

// keepHistory ignores an end of history at a commit whose parents are here, because git
// would remove these: a bundle is untrusted, or may come from a clone that begins later.
func (in *incoming) keepHistory() error {
	ends, err := shallow(filepath.Join(in.repo.Dir, "shallow"))
	if err != nil {
		return err
	}
	var new []string
	for _, id := range in.header.Shallow {
		_, err := in.repo.Revision(in.ctx, id+"^{commit}")
		switch {
		case errors.Is(err, git.ErrUnborn) || err == nil && ends[id]:
			new = append(new, id)
		case err != nil:
			return err
		}
	}
	in.header.Shallow = new
	return nil
}

// unpack lets git read the pack into the quarantine and check it there. It returns the name
// of the pack without its extension, or "" if it is empty.
func (in *incoming) unpack(guarded *git.Porcelain) (name string, err error) {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	r := bufio.NewReaderSize(in.file, 64<<10)
	if _, err := ReadHeader(r); err != nil {
		return "", err
	}
	empty, err := isEmpty(r)
	if err != nil {
		return "", err
	}
	if !empty {
		said, err := guarded.Take(in.ctx, r, "-c", "pack.threads=1", "-c", "core.deltaBaseCacheLimit=64m", "-c", "core.packedGitLimit=64m", "-c", "core.packedGitWindowSize=4m", "index-pack", "--stdin", "--fix-thin", "--strict")
		if err != nil {
			return "", err
		}
		name = "pack-" + strings.TrimSpace(strings.TrimPrefix(said, "pack"))
	}
	// Everything that the references lead to must be here now.
	_, err = guarded.Feed(in.ctx, strings.Join(in.header.tips(), "\n")+"\n", "rev-list", "--objects", "--quiet", "--stdin", "--not", "--all")
	return name, err
}

// isEmpty reports whether a pack has no objects.
func isEmpty(r *bufio.Reader) (bool, error) {
	head, err := r.Peek(12)
	return err == nil && string(head[8:]) == "\x00\x00\x00\x00", err
}

// guarded returns a git that writes only to the quarantine, and for which history ends
// where the bundle says.
func (in *incoming) guarded() (*git.Porcelain, error) {
	ends, err := in.ends()
	if err != nil {
		return nil, err
	}
	guarded := *in.work
	guarded.Quarantine = in.quarantine
	guarded.Shallow = filepath.Join(in.quarantine, "shallow")
	info := filepath.Join(in.quarantine, "info")
	return &guarded, errors.Join(
		os.WriteFile(guarded.Shallow, []byte(ends), 0o644),
		os.Mkdir(info, 0o755),
		os.WriteFile(filepath.Join(info, "alternates"), []byte("..\n"), 0o644))
}

// ends returns where history ends once the bundle is added.
func (in *incoming) ends() (string, error) {
	all, err := shallow(filepath.Join(in.repo.Dir, "shallow"))
	if err != nil {
		return "", err
	}
	if all == nil {
		all = map[string]bool{}
	}
	for _, id := range in.header.Shallow {
		all[id] = true
	}
	if len(all) == 0 {
		return "", nil
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), "\n") + "\n", nil
}

// join moves the quarantine's pack into the repository. Git finds a pack by its .idx, so
// that is moved last.
func (in *incoming) join(pack string) error {
	objects, err := durable.Open(filepath.Dir(in.quarantine))
	if err != nil {
		return err
	}
	defer objects.Close()
	from := filepath.Base(in.quarantine) + "/pack/"
	if err := objects.MkdirAll("pack"); err != nil {
		return err
	}
	for _, ext := range []string{".pack", ".rev", ".idx"} {
		err := objects.Replace(from+pack+ext, "pack/"+pack+ext)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && (ext == ".rev" || pack == "")) {
			return err
		}
	}
	if err := objects.SyncDir("pack"); err != nil {
		return err
	}
	return in.endHistory()
}

// endHistory tells git where history ends now.
func (in *incoming) endHistory() error {
	ends, err := in.ends()
	if err != nil || len(in.header.Shallow) == 0 {
		return err
	}
	dir, err := durable.Open(in.repo.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return durable.WriteFile(dir, "shallow", []byte(ends))
}

// references returns the references to set, as input for "git update-ref --stdin". If a day
// is also recorded here, the later commit stays.
func (in *incoming) references() (string, error) {
	had, err := index.KeptDays(in.ctx, in.repo)
	if err != nil {
		return "", err
	}
	days := maps.Clone(in.header.Days)
	for _, d := range had {
		came := days[d.Date]
		if came == "" || came == d.Commit {
			delete(days, d.Date)
			continue
		}
		rev, err := in.repo.Revision(in.ctx, came)
		if err != nil {
			return "", err
		}
		if rev.Time.Before(d.Time) {
			delete(days, d.Date)
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "update %s %s\n", clone.Fetched, in.header.Commit)
	for _, day := range slices.Sorted(maps.Keys(days)) {
		fmt.Fprintf(&text, "update %s/%s %s\n", index.DaysRef, day, days[day])
	}
	return text.String(), nil
}
