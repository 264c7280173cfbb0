package send

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// sentence says from which point to which a transfer leads.
func (r *Result) sentence() string {
	base := "from nothing"
	if !r.Manifest.Base.IsZero() {
		base = "from " + r.Manifest.Base.ID()
	}
	return fmt.Sprintf("transfer %s %s: index commit %s of %s", r.Manifest.End.ID(), base, r.Manifest.End.Commit, r.Manifest.End.Time.Format("2006-01-02"))
}

// Print writes what was made, in the folder dir.
func (r *Result) Print(w io.Writer, dir string) {
	if r.nothing(w) {
		return
	}
	fmt.Fprintf(w, "%s\n", r.sentence())
	fmt.Fprintf(w, "%s, %s in %s: %s\n", human.Plural(r.Crates, "crate file"), human.Size(r.Bytes), human.Plural(int64(r.Manifest.Volumes), "volume"), filepath.Join(dir, r.Folder))
	sizes := make([]int64, r.Manifest.Volumes+1)
	files := make([]int64, len(sizes))
	for _, f := range r.Manifest.Files {
		sizes[f.Volume] += f.Size
		files[f.Volume]++
	}
	for v := 1; v < len(sizes); v++ {
		fmt.Fprintf(w, "%12s  %s (%s)\n", human.Size(sizes[v]+sizes[0]), transfer.VolumeName(v), human.Plural(files[v], "file"))
	}
}

// PrintPlan writes what would be made.
func (r *Result) PrintPlan(w io.Writer) {
	if r.nothing(w) {
		return
	}
	fmt.Fprintf(w, "%s\n", r.sentence())
	fmt.Fprintf(w, "%s, about %s in %s; nothing was written\n", human.Plural(r.Crates, "crate file"), human.Size(r.Bytes), human.Plural(int64(r.Manifest.Volumes), "volume"))
}

func (r *Result) nothing(w io.Writer) bool {
	if r.Nothing {
		fmt.Fprintf(w, "nothing to carry: the far side has all since %s\n", r.Manifest.Base.ID())
	}
	return r.Nothing
}
