// Package inspect lists the content of a bundle or of a segment of the deep archive, and
// extracts single crates. It trusts neither: it reads both to their last byte, and writes a
// crate only once it is verified.
package inspect

import (
	"context"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// inspected is the -json line of a bundle.
type inspected struct {
	Bundle   string   `json:"bundle"`
	Format   string   `json:"format"`
	FileSize int64    `json:"file_size"`
	Members  int64    `json:"members"`
	Size     int64    `json:"size_bytes"` // of all crates
	Healthy  bool     `json:"healthy"`
	Problems []string `json:"problems,omitzero"`
}

// inspectedMember is the -json line of a member.
type inspectedMember struct {
	Crate     string `json:"crate"`
	Version   string `json:"version"`
	Member    string `json:"bundle_member"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Offset    int64  `json:"offset,omitzero"`
	FrameSize int64  `json:"frame_size,omitzero"`
}

// Bundle lists a bundle while it reads it, so that memory does not grow with the bundle, and
// ends with its condition. Errors: *verdict.IntegrityError if it is damaged.
func Bundle(ctx context.Context, folder durable.Reader, name string, asJSON bool, out io.Writer) error {
	s := inspected{Bundle: name}
	report, err := extract.Inspect(ctx, folder, name, func(m bundle.Member) error {
		s.Members++
		s.Size += m.Size
		return printMember(out, asJSON, m)
	})
	if err != nil {
		return err
	}
	s.Format, s.FileSize, s.Healthy = string(report.Format), report.FileSize, len(report.Problems) == 0
	for _, p := range report.Problems {
		s.Problems = append(s.Problems, p.Error())
	}
	if err := printInspected(out, asJSON, &s); err != nil || s.Healthy {
		return err
	}
	return verdict.Integrityf("%q is not healthy; what is wrong is listed above. extract takes what is good, if an index or a manifest proves it", name)
}

func printMember(w io.Writer, asJSON bool, m bundle.Member) error {
	if asJSON {
		return console.JSON(w, inspectedMember{m.ID.Name, m.ID.Version, m.ID.LoosePath(), m.Size, m.Checksum.String(), m.Offset, m.FrameSize})
	}
	_, err := fmt.Fprintf(w, "%12d %11d %11d  %s  %s\n", m.Offset, m.FrameSize, m.Size, m.Checksum, m.ID)
	return err
}

func printInspected(w io.Writer, asJSON bool, s *inspected) error {
	if asJSON {
		return console.JSON(w, s)
	}
	fmt.Fprintf(w, "%q: %s, %s of crates in a file of %s", s.Bundle, human.Plural(s.Members, "member"), human.Size(s.Size), human.Size(s.FileSize))
	if s.Size > 0 {
		fmt.Fprintf(w, " (ratio %.3f)", float64(s.FileSize)/float64(s.Size))
	}
	fmt.Fprintf(w, ", %s\n", s.Format)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "  %s\n", p)
	}
	if s.Healthy {
		fmt.Fprintf(w, "healthy: read to its last byte, all checksums are right\n")
	}
	return nil
}
