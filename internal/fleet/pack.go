package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// Packed is the result of a Repack task.
type Packed struct {
	Segment  *root.File `json:"segment,omitempty"` // nil: nothing could be packed
	Count    int64      `json:"count"`             // number of problems
	Problems []Problem  `json:"problems,omitempty"`
}

// Packer returns a worker for Repack tasks. Each task has its own folder below scratch.
func Packer(in bucket.Bucket, scratch string) work.Doer {
	return func(ctx context.Context, data []byte) (_ []byte, err error) {
		t, err := parsePackTask(data)
		if err != nil {
			return nil, err
		}
		dir, err := os.MkdirTemp(scratch, "repack-")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		folder, err := durable.Open(dir)
		if err != nil {
			return nil, err
		}
		defer folder.Close()
		p := packing{task: t, in: in, folder: folder}
		result, err := p.run(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
}

// parsePackTask parses a task and rejects one that no plan makes.
func parsePackTask(data []byte) (*packTask, error) {
	t := new(packTask)
	if err := json.Unmarshal(data, t); err != nil {
		return nil, err
	}
	name, err := deep.ParseFileName(t.Segment)
	if err == nil && name.Shard.String() != t.Shard {
		err = fmt.Errorf("%s is not of shard %.40q", t.Segment, t.Shard)
	}
	versions := 0
	for _, pack := range t.Packs {
		if versions += len(pack); len(pack) == 0 || len(pack) > deep.MaxVersions || versions > maxTaskVersions+deep.MaxVersions {
			err = errors.Join(err, errors.New("too many versions, or none"))
			break
		}
		for n := range pack {
			m := &pack[n]
			if m.Bundle < 0 || m.Bundle >= len(t.Bundles) || m.Name != pack[0].Name || m.Frame <= 0 || m.Offset < 0 {
				err = errors.Join(err, fmt.Errorf("%.40q %.40q has no place", m.Name, m.Version))
			}
			err = errors.Join(err, m.key().ID.Check())
		}
	}
	for i := range t.Bundles {
		_, errName := bundle.ParseFileName(t.Bundles[i].Name)
		err = errors.Join(err, errName)
	}
	if err != nil {
		return nil, fmt.Errorf("invalid task: %w", err)
	}
	return t, nil
}

// packing is a task in progress.
type packing struct {
	task   *packTask
	in     bucket.Bucket
	folder durable.FS
	result Packed
	failed map[crate.Key]bool
}

func (p *packing) run(ctx context.Context) (*Packed, error) {
	p.failed = map[crate.Key]bool{}
	key := root.Key(root.DeepDir, p.task.Segment)
	_, err := p.in.Head(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		if err = p.build(ctx); err == nil && len(p.failed) < p.versions() {
			err = p.push(ctx, key)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(p.failed) == p.versions() {
		return &p.result, nil
	}
	return &p.result, p.readBack(ctx, key)
}

func (p *packing) versions() (n int) {
	for _, pack := range p.task.Packs {
		n += len(pack)
	}
	return n
}

// build makes the segment on the local disk.
func (p *packing) build(ctx context.Context) (err error) {
	w, err := deep.Create(p.folder, p.task.Segment)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, pack := range p.task.Packs {
		if err := p.pack(ctx, w, pack); err != nil {
			return err
		}
	}
	if w.Summary().Packs == 0 {
		return nil
	}
	if _, err := w.Finish(); err != nil {
		return err
	}
	return w.Publish()
}

// pack packs versions of a crate. It reports a damaged version and leaves it out.
func (p *packing) pack(ctx context.Context, w *deep.Writer, rest []member) error {
	for len(rest) > 0 {
		sources := make([]deep.Source, len(rest))
		for n := range rest {
			sources[n] = deep.Source{Key: rest[n].key(), Open: func() (io.ReadCloser, error) { return p.open(ctx, &rest[n]) }}
		}
		built, err := deep.Build(ctx, sources, deep.Options{})
		var bad *deep.SourceError
		switch {
		case errors.As(err, &bad) && !unread(err) && ctx.Err() == nil:
			p.fail(rest[bad.Number].key(), bad.Err)
			rest = append(rest[:bad.Number:bad.Number], rest[bad.Number+1:]...)
			continue
		case err != nil:
			return err
		}
		if _, err := w.Append(built); err != nil {
			return err
		}
		rest = rest[built.Took:]
	}
	return nil
}

func (p *packing) fail(key crate.Key, err error) {
	v := Verified{file: p.task.Segment, Count: p.result.Count, Problems: p.result.Problems}
	v.found(key.ID, err)
	p.result.Count, p.result.Problems = v.Count, v.Problems
	p.failed[key] = true
}

// open reads a version from its bundle, with one ranged GET.
func (p *packing) open(ctx context.Context, m *member) (io.ReadCloser, error) {
	f := p.task.Bundles[m.Bundle]
	file, err := openFile(ctx, p.in, p.folder, root.BundlesDir, f, false)
	if err != nil {
		return nil, err
	}
	ranged, ok := file.(durable.Ranged)
	if !ok {
		return nil, fmt.Errorf("%s already exists", f.Name)
	}
	r, err := ranged.Range(ctx, m.Offset, m.Frame)
	if err != nil {
		return nil, err
	}
	return bundle.OpenKnown(r, f.Size).OpenMember(bundle.Placement{Offset: m.Offset, FrameSize: m.Frame})
}

// push stores the segment, unless another worker has stored it.
func (p *packing) push(ctx context.Context, key string) (err error) {
	f, err := p.folder.Open(p.task.Segment)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, size, err := crate.Hash(f)
	if err != nil {
		return err
	}
	_, err = p.in.Upload(ctx, key, bucket.Body{Data: f, Size: size, Checksum: sum}, nil)
	if errors.Is(err, bucket.ErrExists) {
		return nil
	}
	return err
}

const backExt = ".back"

// readBack verifies the segment in the bucket, even if another worker stored it: it rebuilds
// and hashes every version of the task.
func (p *packing) readBack(ctx context.Context, key string) (err error) {
	f, err := p.folder.Create(p.task.Segment + backExt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, object, err := p.in.Get(ctx, key, bucket.Ask{})
	if err != nil {
		return err
	}
	sum, size, err := crate.Hash(io.TeeReader(body, f))
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("reading %s back: %w", key, err)
	}
	if size != object.Size {
		return fmt.Errorf("reading %s back: %d bytes of %d", key, size, object.Size)
	}
	p.result.Segment = &root.File{Name: p.task.Segment, Size: size, SHA256: sum, Shard: p.task.Shard}
	return p.prove(ctx, f, size)
}

func (p *packing) prove(ctx context.Context, f durable.File, size int64) error {
	missing := make(map[crate.Key]bool, p.versions())
	for _, pack := range p.task.Packs {
		for n := range pack {
			missing[pack[n].key()] = true
		}
	}
	r, err := deep.Open(p.task.Segment, f, size)
	if err != nil {
		return err
	}
	for d, err := range r.Directories() {
		if err == nil {
			err = p.provePack(ctx, r, d, missing)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.task.Segment, err)
		}
	}
	for key := range missing {
		if !p.failed[key] {
			p.fail(key, errors.New("it is not in the segment that another worker stored, which could not read it"))
		}
	}
	return nil
}

// errForeign means that a segment of other crates has the name of this one.
var errForeign = errors.New("the segment is of another task, which took its name")

// provePack rebuilds and hashes the versions of a pack, and removes them from missing.
func (p *packing) provePack(ctx context.Context, r *deep.Reader, d *deep.Directory, missing map[crate.Key]bool) error {
	var wrong error
	err := r.Check(ctx, d, deep.Crates, func(n int, err error) {
		v := &d.Versions[n]
		if err == nil && !missing[v.Key] {
			err = errForeign
		}
		if err != nil {
			wrong = fmt.Errorf("%s: %w", v.ID, err)
			return
		}
		delete(missing, v.Key)
		p.result.Segment.Entries++
		p.result.Segment.Bytes += v.Size
	})
	return errors.Join(err, wrong)
}
