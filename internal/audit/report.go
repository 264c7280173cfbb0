package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Report configures a run that reports to people.
type Report struct {
	Bucket  bucket.Reader
	State   string        // folder of the cursor; may be absent
	Restart bool          // begin at the first object
	Slice   time.Duration // end the run after this time; 0: when all objects are hashed
}

// errSlice ends a run when its time is over.
var errSlice = errors.New("the time of this run is over")

// maxBad bounds how many keys are returned for repair: with more, the provider must be
// repaired first.
const maxBad = 10_000

// Write hashes the objects that the root names, prints problems as it finds them, and lists
// objects that no root names. It returns the keys of damaged or missing objects, at most
// 10,000. Errors: verdicts; why it could not continue.
func (rep Report) Write(ctx context.Context, w io.Writer) (bad []string, err error) {
	r, _, err := root.Read(ctx, rep.Bucket, "")
	if err != nil {
		return nil, fmt.Errorf("reading the root of %s: %w", rep.Bucket, err)
	}
	state, err := durable.Open(rep.State)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		state = nil
	} else {
		defer func() { err = errors.Join(err, state.Close()) }()
	}
	s, err := rep.sweep(ctx, w, r, state, &bad)
	if err != nil {
		return bad, err
	}
	if now, _, err := root.Read(ctx, rep.Bucket, ""); err == nil { // objects pushed meanwhile are in the root by now
		r = now
	}
	if err := rep.leftovers(ctx, w, r); err != nil {
		return bad, err
	}
	return bad, s.verdict()
}

// sweep hashes objects until the time of the run is over.
func (rep Report) sweep(ctx context.Context, w io.Writer, r *root.Root, state durable.FS, bad *[]string) (_ *Summary, err error) {
	cursor := Cursor{Mirror: r.ID}
	if state != nil && !rep.Restart {
		if cursor, err = ReadCursor(state, r.ID); err != nil {
			return nil, err
		}
	}
	limited := ctx
	if rep.Slice > 0 {
		var stop context.CancelFunc
		limited, stop = context.WithTimeoutCause(ctx, rep.Slice, errSlice)
		defer stop()
	}
	s, err := Run(limited, Config{Bucket: rep.Bucket, Root: r, After: cursor.After, Found: func(p Problem) error {
		if p.Kind != Unreadable && len(*bad) < maxBad {
			*bad = append(*bad, p.Key)
		}
		_, err := fmt.Fprintf(w, "%s: %s\n", p.Kind, human.Printable(p.Err.Error()))
		return err
	}})
	if errors.Is(err, errSlice) {
		err = nil
	}
	if cursor.After = s.Last; s.Complete {
		cursor.After = ""
	}
	if state != nil {
		err = errors.Join(err, cursor.Write(state))
	}
	fmt.Fprintf(w, "%s hashed, %s, of the %d that the root of generation %d names\n", human.Plural(s.Objects, "object"), human.Size(s.Bytes), len(Objects(r)), r.Generation)
	return s, err
}

// leftovers lists objects that no root names. We never delete them: age alone does not show
// whether a writer is about to name them.
func (rep Report) leftovers(ctx context.Context, w io.Writer, r *root.Root) error {
	return Leftovers(ctx, rep.Bucket, r, func(o bucket.Object) error {
		_, err := fmt.Fprintf(w, "leftover: %s, %s, of %s\n", human.Printable(o.Key), human.Size(o.Size), o.Modified.UTC().Format(time.RFC3339))
		return err
	})
}

// verdict returns the verdict on the bucket.
func (s *Summary) verdict() error {
	if n := s.Problems[Damaged] + s.Problems[Missing] + s.Problems[Unreadable]; n > 0 {
		return verdict.Integrityf("not what the root names: %s in the bucket", human.Plural(n, "object"))
	}
	if !s.Complete {
		return verdict.Incompletef("stopped before all was hashed; the next run resumes after %s", s.Last)
	}
	return nil
}
