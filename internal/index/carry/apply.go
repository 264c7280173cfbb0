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

// Apply makes the index in a folder the commit of a bundle, which must be the expected
// one, and keeps its days. The folder is cfg.Dir, bare, made by this package or by clone;
// if there is none, one is made, for which a bundle without prerequisites is needed. What
// cfg says of URL, Checkout and network does not count.
//
// The bundle is untrusted. Its pack is checked against the limits before git sees it,
// then by git (fsck, and that nothing is missing that its references lead to) beside the
// objects of the index, which it joins only then. As with [clone.Update], HEAD moves
// last, at one instant; until then, and whenever Apply fails or is killed, readers have
// the index as it was. A second Apply of the same bundle changes nothing.
//
// Errors: as clone.Update; in its *clone.UpdateError ErrFormat, *BaseError.
func Apply(ctx context.Context, cfg clone.Config, file io.ReadSeeker, commit string) (clone.Updated, error) {
	cfg.URL, cfg.Checkout = "", false
	cfg.Carried = func(ctx context.Context, work *git.Porcelain, gitDir string) error {
		in := incoming{ctx: ctx, cfg: cfg, work: work, repo: &git.Repository{Dir: gitDir}, file: file}
		return in.take(commit)
	}
	return clone.Update(ctx, cfg)
}

// Check does all that Apply does before it changes anything, and changes nothing: it reads
// a bundle that the index in a folder is to take, has git check it, and examines whether the
// index would go back or lose crates. Where there is no index yet, it does so in an empty
// one. Errors: as Apply.
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

// readFor reads a header, which must be of a commit.
func readFor(r *bufio.Reader, commit string) (Header, error) {
	h, err := ReadHeader(r)
	if err == nil && h.Commit != commit {
		err = fmt.Errorf("%w of commit %.40s: it is of %s", ErrFormat, commit, h.Commit)
	}
	return h, err
}

// incoming is a bundle on its way into a repository.
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

// ofTransfer is how a refusal speaks.
var ofTransfer = clone.Words{Source: "the transfer", Gone: "not in the transfer any more", Todo: "ask the sending side"}

// examine refuses an index that an update would refuse, while it is in quarantine.
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

// inQuarantine has git unpack and check the bundle beside the objects of the index, examines
// what the index would be, and gives what came of it to then.
func (in *incoming) inQuarantine(then func(pack string) error) (err error) {
	// A name that git, and a later update, sweep up.
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

// check reads the bundle once, before git does.
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

// keepHistory ignores an end of history at a commit whose parents are here, since git would
// then remove these: a bundle is untrusted, or may be of a clone that begins later.
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

// unpack has git read the pack into the quarantine, and check it there. It returns the
// name of the pack without its extension, "" if it is empty.
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
	// All that the references lead to must be here now.
	_, err = guarded.Feed(in.ctx, strings.Join(in.header.tips(), "\n")+"\n", "rev-list", "--objects", "--quiet", "--stdin", "--not", "--all")
	return name, err
}

// isEmpty looks whether a pack has no objects.
func isEmpty(r *bufio.Reader) (bool, error) {
	head, err := r.Peek(12)
	return err == nil && string(head[8:]) == "\x00\x00\x00\x00", err
}

// guarded is a git that writes to the quarantine alone, and for which history ends
// where the bundle says that it does.
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

// ends is where history ends, with what is carried.
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

// join makes what is in the quarantine a part of the repository. Git finds a pack by
// its .idx, which comes last.
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

// references returns the references of what came, in the language of "git update-ref
// --stdin". Of a day that is also kept here the later commit stays.
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
