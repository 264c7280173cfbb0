package runlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// setAside renames the manifest name to {base}-{time}.jsonl, compresses it to .jsonl.zst,
// and returns its last chain. It removes the uncompressed file only once the compressed one
// is durable; after a kill in between, the next call compresses it again.
func setAside(fsys durable.FS, name string) (chain [sha256.Size]byte, err error) {
	chain, err = lastChain(fsys, name)
	if err == nil {
		err = moveAside(fsys, name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return chain, fmt.Errorf("moving the earlier manifest %s aside: %w", name, err)
	}
	if err := compressAll(fsys, name); err != nil {
		return chain, fmt.Errorf("compressing earlier manifests: %w", err)
	}
	return chain, nil
}

// asideTime is the {time} in the name of an earlier manifest: UTC, and valid on every file
// system.
const asideTime = "20060102T150405Z"

// moveAside gives the manifest a free name; runs within one second get "-2", "-3" and so on.
func moveAside(fsys durable.FS, name string) error {
	ext := path.Ext(name)
	base := strings.TrimSuffix(name, ext) + "-" + time.Now().UTC().Format(asideTime)
	for n := 1; ; n++ {
		to := base + ext
		if n > 1 {
			to = fmt.Sprintf("%s-%d%s", base, n, ext)
		}
		if _, err := fsys.Stat(to + ".zst"); err == nil {
			continue
		}
		err := fsys.Publish(name, to)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// lastChain returns the chain after the last complete line of a manifest.
func lastChain(fsys durable.Reader, name string) (chain [sha256.Size]byte, err error) {
	_, chain, err = Last(fsys, name)
	return chain, err
}

// Last returns the end of the last complete line with a chain in a manifest, in bytes from
// the beginning, and the chain; 0 if no line has one. It reads only the end of the file.
// Errors: fs.ErrNotExist.
func Last(fsys durable.Reader, name string) (end int64, chain [sha256.Size]byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, chain, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, chain, err
	}
	at := max(0, info.Size()-2*MaxLine)
	tail, err := io.ReadAll(io.NewSectionReader(f, at, info.Size()-at))
	if err != nil {
		return 0, chain, err
	}
	for line := range strings.Lines(string(tail)) {
		at += int64(len(line))
		if _, c, ok := cutChain([]byte(strings.TrimSuffix(line, "\n"))); ok && strings.HasSuffix(line, "\n") {
			end, chain = at, c
		}
	}
	return end, chain, nil
}

// ErrOther means that a manifest is not the one with the known chain and length.
var ErrOther = errors.New("the manifest is another one, or shorter, or something was added to it")

// CheckUpTo checks that the first size bytes of a manifest, which end with the line that
// has a chain, are unchanged. It ignores what follows. It returns the number of lines.
// Errors: ErrOther; *jsonl.LineError with ErrChain.
func CheckUpTo(r io.Reader, size int64, chain [sha256.Size]byte) (lines int64, err error) {
	d := decoder{strict: true}
	whole := &io.LimitedReader{R: r, N: size}
	for _, err := range jsonl.Read(whole, MaxLine, d.decode) {
		if errors.Is(err, jsonl.ErrTorn) { // only up to here is it the manifest
			return lines, ErrOther
		}
		if err != nil {
			return lines, err
		}
		lines++
	}
	if whole.N > 0 || d.chain != chain {
		return lines, ErrOther
	}
	return lines, nil
}

// compressAll compresses all earlier manifests that are not compressed yet.
func compressAll(fsys durable.FS, name string) error {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(path.Base(name), ext)
	aside := regexp.MustCompile(`^` + regexp.QuoteMeta(stem) + `-\d{8}T\d{6}Z(-\d+)?` + regexp.QuoteMeta(ext) + `$`)
	entries, err := fsys.ReadDir(parent(name))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if aside.MatchString(e.Name()) {
			if err := compress(fsys, path.Join(parent(name), e.Name())); err != nil {
				return fmt.Errorf("%s: %w", e.Name(), err)
			}
		}
	}
	return nil
}

// compress replaces name by name.zst, which is complete and durable before the original is
// removed.
func compress(fsys durable.FS, name string) error {
	dst, err := durable.CreateWhole(fsys, name+".zst", name+".zst.part")
	if err != nil {
		return err
	}
	if err := compressTo(dst, fsys, name); err != nil {
		return errors.Join(err, dst.Discard())
	}
	if err := dst.Replace(); err != nil {
		return err
	}
	return fsys.Remove(name)
}

func compressTo(dst io.Writer, fsys durable.FS, name string) error {
	src, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer src.Close()
	enc, err := zstd.NewWriter(dst, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	_, err = io.Copy(enc, src)
	return errors.Join(err, enc.Close())
}

func parent(name string) string { return path.Dir(name) }
