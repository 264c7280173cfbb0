package repack

import (
	"context"
	"errors"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Tally is the content of segments.
type Tally struct {
	Segments, Packs, Versions int64
	Size                      int64 // of the .crates, in bytes
	FileSize                  int64 // of the segments
	Encoders                  map[deflate.Encoder]int64
	Verbatim                  map[deep.Reason]int64
	VerbatimSize              int64
	Damaged                   []error // packs that were left out, the first ones
	Damages                   int64
}

// Add counts a pack.
func (t *Tally) Add(d *deep.Directory) {
	if t.Encoders == nil {
		t.Encoders, t.Verbatim = map[deflate.Encoder]int64{}, map[deep.Reason]int64{}
	}
	t.Packs++
	for i := range d.Versions {
		v := &d.Versions[i]
		t.Versions++
		t.Size += v.Size
		if v.Encoder == deep.Verbatim {
			t.Verbatim[v.Reason]++
			t.VerbatimSize += v.Size
		} else {
			t.Encoders[v.Encoder]++
		}
	}
}

// Ratio returns the size of the segments per byte of their .crates.
func (t *Tally) Ratio() float64 { return float64(t.FileSize) / float64(max(t.Size, 1)) }

// fail records damage.
func (t *Tally) fail(err error) {
	t.Damages++
	if len(t.Damaged) < maxFailures {
		t.Damaged = append(t.Damaged, err)
	}
}

// TallyOf reads the directories of all segments in a folder: at most 32 KiB of each pack,
// and no content.
func TallyOf(ctx context.Context, folder durable.Reader) (*Tally, error) {
	entries, err := folder.ReadDir(".")
	if err != nil {
		return nil, err
	}
	t := new(Tally)
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), deep.PartExt)
		if _, err := deep.ParseFileName(name); err != nil {
			continue
		}
		if err := t.addSegment(ctx, folder, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Tally) addSegment(ctx context.Context, folder durable.Reader, name string) error {
	seg, err := OpenSegment(folder, name)
	if err != nil {
		if errors.Is(err, deep.ErrFormat) { // still empty, or not a segment
			t.fail(err)
			return nil
		}
		return err
	}
	defer seg.Close()
	t.Segments++
	t.FileSize += seg.size
	for d, err := range seg.Directories() {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case deep.IsDamage(err):
			t.fail(err)
		case errors.Is(err, deep.ErrUnfinished), errors.Is(err, deep.ErrTable):
		case err != nil:
			return err
		default:
			t.Add(d)
		}
	}
	return nil
}
