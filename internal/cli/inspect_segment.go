package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// isSegment reports whether a file has the name of a segment of the deep archive.
func isSegment(name string) bool {
	_, err := deep.ParseFileName(name)
	return err == nil
}

// inspectedVersion is the -json line of a version in a segment.
type inspectedVersion struct {
	Crate    string `json:"crate"`
	Version  string `json:"version"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	TarSize  int64  `json:"tar_size,omitzero"`
	Encoder  string `json:"encoder,omitzero"`
	Verbatim string `json:"verbatim,omitzero"` // why
	Pack     int64  `json:"pack"`              // offset
	PackSize int64  `json:"pack_size"`
	Number   int    `json:"number"`
}

func versionOf(d *deep.Directory, n int) inspectedVersion {
	v := &d.Versions[n]
	s := inspectedVersion{Crate: v.Name, Version: v.ID.Version, Size: v.Size, SHA256: v.Checksum.String(),
		TarSize: v.TarSize(), Pack: d.Offset, PackSize: d.Size, Number: n}
	if v.Encoder == deep.Verbatim {
		s.Verbatim = v.Reason.String()
	} else {
		s.Encoder = v.Encoder.String()
	}
	return s
}

// inspectSegment lists a segment, and decompresses every pack and hashes each tar
// in it; with -rebuild, each .crate is rebuilt and hashed, too.
func (a *App) inspectSegment(ctx context.Context, cfg *inspectConfig, folder durable.FS, name string) error {
	seg, err := repack.OpenSegment(folder, name)
	if err != nil {
		return err
	}
	defer seg.Close()
	depth := deep.Tars
	if cfg.rebuild {
		depth = deep.Crates
	}
	tally, bad := repack.Tally{FileSize: seg.Size()}, int64(0)
	problem := func(err error) {
		bad++
		fmt.Fprintf(a.Stdout, "  %s\n", human.OneLine(err))
	}
	for d, err := range seg.Directories() {
		if err != nil {
			problem(err)
			continue
		}
		tally.Add(d)
		for n := range d.Versions {
			if err := printVersion(a.Stdout, cfg.json, versionOf(d, n)); err != nil {
				return err
			}
		}
		err := seg.Check(ctx, d, depth, func(n int, err error) {
			if err != nil {
				problem(fmt.Errorf("%s: %w", d.Versions[n].ID, err))
			}
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			problem(err)
		}
	}
	if !cfg.json {
		printTally(a.Stdout, name, &tally)
	}
	if bad > 0 {
		return verdict.Integrityf("%q is not healthy; what is wrong is listed above. The versions in other packs are unaffected", name)
	}
	return nil
}

func printVersion(w io.Writer, asJSON bool, v inspectedVersion) error {
	if asJSON {
		return printJSON(w, v)
	}
	how := v.Encoder
	if v.Verbatim != "" {
		how = "verbatim: " + v.Verbatim
	}
	_, err := fmt.Fprintf(w, "%12d %3d %11d  %s  %s %s  %s\n", v.Pack, v.Number, v.Size, v.SHA256, v.Crate, v.Version, how)
	return err
}

// printTally says what segments have.
func printTally(w io.Writer, name string, t *repack.Tally) {
	fmt.Fprintf(w, "%s: %s in %s, %s of crates in %s (ratio %.3f)\n", name, human.Plural(t.Versions, "version"),
		human.Plural(t.Packs, "pack"), human.Size(t.Size), human.Size(t.FileSize), t.Ratio())
	row := console.Rows(w)
	for e := range deflate.Encoders {
		row(t.Encoders[e], fmt.Sprintf("rebuilt by %s", e))
	}
	for r := range deep.Reasons {
		row(t.Verbatim[r], fmt.Sprintf("stored as they are: %s", r))
	}
	for _, err := range t.Damaged {
		fmt.Fprintf(w, "  %s\n", human.OneLine(err))
	}
}

// inspectRebuilt rebuilds one crate.
func (a *App) inspectRebuilt(ctx context.Context, cfg *inspectConfig, folder durable.FS, name string, key crate.Key) error {
	if cfg.indexDir != "" {
		return flags.Usagef("-index-dir is for bundles: what a segment rebuilds has the checksum that is listed, which -sha256 compares")
	}
	seg, err := repack.OpenSegment(folder, name)
	if err != nil {
		return err
	}
	defer seg.Close()
	data, err := seg.Find(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q has no %s: %w", name, key.ID, err)
	}
	if deep.IsDamage(err) {
		return verdict.Integrityf("%s", err.Error())
	}
	if err != nil {
		return err
	}
	take := func(w io.Writer) error { _, err := w.Write(data); return err }
	if cfg.out != "" {
		return extract.ToNewFile(cfg.out, a.Disk, take)
	}
	return extract.ToStream(a.Stdout, take)
}

// statusDeep says what the deep archive has, from the directories of its packs.
func (a *App) statusDeep(ctx context.Context, cfg *statusConfig) error {
	folder, err := home.OpenIfThere(cfg.dirs.Deep)
	if err != nil {
		return err
	}
	if folder == nil {
		fmt.Fprintln(a.Stdout, "there is no deep archive: clonecratesio repack makes one")
		return nil
	}
	defer folder.Close()
	t, err := repack.TallyOf(ctx, folder)
	if err != nil {
		return err
	}
	if cfg.json {
		return printJSON(a.Stdout, tallied(t))
	}
	printTally(a.Stdout, human.Plural(t.Segments, "segment"), t)
	return nil
}

// talliedArchive is the JSON of what the deep archive has.
type talliedArchive struct {
	Segments      int64            `json:"segments"`
	Packs         int64            `json:"packs"`
	Versions      int64            `json:"versions"`
	Bytes         int64            `json:"bytes"`      // of the .crates
	FileBytes     int64            `json:"file_bytes"` // of the segments
	Encoders      map[string]int64 `json:"encoders"`   // versions by what rebuilds them
	Verbatim      map[string]int64 `json:"verbatim"`   // by why they are stored as they are
	VerbatimBytes int64            `json:"verbatim_bytes"`
	Damaged       int64            `json:"damaged_packs"`
}

func tallied(t *repack.Tally) talliedArchive {
	s := talliedArchive{Segments: t.Segments, Packs: t.Packs, Versions: t.Versions, Bytes: t.Size, FileBytes: t.FileSize,
		Encoders: map[string]int64{}, Verbatim: map[string]int64{}, VerbatimBytes: t.VerbatimSize, Damaged: t.Damages}
	for e, n := range t.Encoders {
		s.Encoders[e.String()] = n
	}
	for r, n := range t.Verbatim {
		s.Verbatim[r.String()] = n
	}
	return s
}
