package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
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
		tally.Print(a.Stdout, name)
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
		return printJSON(a.Stdout, t.JSON())
	}
	t.Print(a.Stdout, human.Plural(t.Segments, "segment"))
	return nil
}
