package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// verifyTask names a file to verify.
type verifyTask struct {
	Dir  string    `json:"dir"`
	File root.File `json:"file"`
}

// A Problem is something wrong with a file.
type Problem struct {
	File  string `json:"file"`
	Crate string `json:"crate,omitzero"` // name and version; empty: the file as a whole
	Error string `json:"error"`
}

// maxProblems is how many problems of a file are listed: more than a person reads.
const maxProblems = 1000

// maxProblem bounds the text of a problem, in bytes: a result holds all of them as JSON.
const maxProblem = 1000

// Verified is the result of a Verify task.
type Verified struct {
	Versions int64     `json:"versions"`
	Bytes    int64     `json:"bytes"`
	Count    int64     `json:"count"` // number of problems
	Problems []Problem `json:"problems,omitempty"`

	file string
}

func (v *Verified) found(id crate.ID, err error) {
	if v.Count++; len(v.Problems) >= maxProblems {
		return
	}
	p := Problem{File: v.file, Error: work.Text(err.Error(), maxProblem)}
	if id != (crate.ID{}) {
		p.Crate = id.String()
	}
	v.Problems = append(v.Problems, p)
}

// PlanVerify writes a task for each file of the root to the board and returns the job.
func PlanVerify(ctx context.Context, b *work.Board, r *root.Root) (*work.Job, error) {
	job := &work.Job{Created: time.Now().UTC()}
	for _, list := range []struct {
		dir   string
		files []root.File
	}{{root.BundlesDir, r.Bundles}, {root.DeepDir, r.Segments}} {
		for _, f := range list.files {
			data, err := json.Marshal(verifyTask{list.dir, f})
			if err != nil {
				return nil, err
			}
			id, err := b.Plan(ctx, data)
			if err != nil {
				return nil, err
			}
			job.Tasks = append(job.Tasks, id)
		}
	}
	return b.Begin(ctx, job)
}

// Verifier returns a worker for Verify tasks. scratch is a folder without bundles or segments.
func Verifier(in bucket.Bucket, scratch durable.FS) work.Doer {
	return func(ctx context.Context, task []byte) ([]byte, error) {
		var t verifyTask
		if err := json.Unmarshal(task, &t); err != nil {
			return nil, err
		}
		v := &Verified{file: t.File.Name}
		do := v.bundle
		if t.Dir == root.DeepDir {
			do = v.segment
		}
		if err := do(ctx, in, scratch, &t.File); err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}
}

// unread reports whether the bucket failed to deliver the bytes, so that the task must be
// tried again. A missing object is not such a failure.
func unread(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, bucket.ErrRange)
}

// bundle hashes every member and compares it with the manifest, and compares the whole file
// with the root.
func (v *Verified) bundle(ctx context.Context, in bucket.Bucket, scratch durable.FS, f *root.File) error {
	want := map[crate.Key]bool{} // true once it was found
	err := eachMember(ctx, in, f, func(e *lists.ManifestEntry) error {
		want[crate.Key{ID: e.ID, Checksum: e.Checksum}] = false
		return nil
	})
	wrong := new(ListError)
	if errors.As(err, &wrong) || errors.Is(err, fs.ErrNotExist) {
		v.found(crate.ID{}, err)
	} else if err != nil {
		return err
	}
	listed := err == nil
	file, err := openFile(ctx, in, scratch, root.BundlesDir, *f, true)
	if err != nil {
		return err
	}
	defer file.Close()
	whole := store.NewSumming(file)
	r, err := bundle.Open(whole, f.Size)
	if err != nil {
		return v.unusable(err)
	}
	for m, err := range r.Members() {
		if stop := context.Cause(ctx); stop != nil {
			return stop
		}
		if err != nil {
			if unread(err) {
				return err
			}
			v.found(crate.ID{}, err)
			continue
		}
		v.Versions, v.Bytes = v.Versions+1, v.Bytes+m.Size
		key := crate.Key{ID: m.ID, Checksum: m.Checksum}
		if _, ok := want[key]; listed && !ok {
			v.found(m.ID, fmt.Errorf("sha256 of its bytes is %s, which the manifest does not name", m.Checksum))
		}
		want[key] = true
	}
	for key, met := range want {
		if !met {
			v.found(key.ID, fmt.Errorf("its bytes with sha256 %s are not in the bundle", key.Checksum))
		}
	}
	return v.whole(whole, f)
}

// whole compares a file that was read to its end with the root. This finds flipped bits that
// do not change what a frame decodes to.
func (v *Verified) whole(file *store.Summing, f *root.File) error {
	if v.Count > 0 {
		return nil
	}
	sum, err := file.Sum(f.Size)
	if err == nil && sum != f.SHA256 {
		v.found(crate.ID{}, fmt.Errorf("sha256 of the file is %s, but the root says %s: it was changed, even if everything in it is good", sum, f.SHA256))
	}
	return err
}

// unusable records that a file is not a bundle or segment that can be opened.
func (v *Verified) unusable(err error) error {
	if unread(err) {
		return err
	}
	v.found(crate.ID{}, err)
	return nil
}

// segment rebuilds and hashes every version.
func (v *Verified) segment(ctx context.Context, in bucket.Bucket, scratch durable.FS, f *root.File) error {
	file, err := openFile(ctx, in, scratch, root.DeepDir, *f, true)
	if err != nil {
		return err
	}
	defer file.Close()
	whole := store.NewSumming(file)
	r, err := deep.Open(f.Name, whole, f.Size)
	if err != nil {
		return v.unusable(err)
	}
	for d, err := range r.Directories() {
		if err == nil {
			err = r.Check(ctx, d, deep.Crates, func(n int, err error) {
				if err != nil {
					v.found(d.Versions[n].ID, err)
					return
				}
				v.Versions, v.Bytes = v.Versions+1, v.Bytes+d.Versions[n].Size
			})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !deep.IsDamage(err) {
			return err
		}
		if err != nil {
			v.found(crate.ID{}, err)
		}
	}
	if v.Versions+v.Count < int64(f.Entries) {
		v.found(crate.ID{}, fmt.Errorf("it has %d versions, the root says %d", v.Versions, f.Entries))
	}
	return v.whole(whole, f)
}
