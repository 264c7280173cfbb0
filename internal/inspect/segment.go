package inspect

import (
	"context"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// IsSegment reports whether a file has the name of a segment of the deep archive.
func IsSegment(name string) bool {
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

// Segment lists a segment, and verifies each of its packs to a depth. Errors:
// *verdict.IntegrityError if it is damaged.
func Segment(ctx context.Context, folder durable.Reader, name string, depth deep.Depth, asJSON bool, out io.Writer) error {
	seg, err := repack.OpenSegment(folder, name)
	if err != nil {
		return err
	}
	defer seg.Close()
	tally, bad := repack.Tally{FileSize: seg.Size()}, int64(0)
	problem := func(err error) {
		bad++
		fmt.Fprintf(out, "  %s\n", human.OneLine(err))
	}
	for d, err := range seg.Directories() {
		if err != nil {
			problem(err)
			continue
		}
		tally.Add(d)
		for n := range d.Versions {
			if err := printVersion(out, asJSON, versionOf(d, n)); err != nil {
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
	if !asJSON {
		tally.Print(out, name)
	}
	if bad > 0 {
		return verdict.Integrityf("%q is not healthy; what is wrong is listed above. The versions in other packs are unaffected", name)
	}
	return nil
}

func printVersion(w io.Writer, asJSON bool, v inspectedVersion) error {
	if asJSON {
		return console.JSON(w, v)
	}
	how := v.Encoder
	if v.Verbatim != "" {
		how = "verbatim: " + v.Verbatim
	}
	_, err := fmt.Fprintf(w, "%12d %3d %11d  %s  %s %s  %s\n", v.Pack, v.Number, v.Size, v.SHA256, v.Crate, v.Version, how)
	return err
}
