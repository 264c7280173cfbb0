package fleet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// packTask lists the versions to pack into one segment.
type packTask struct {
	Segment string      `json:"segment"` // name of the segment
	Shard   string      `json:"shard,omitzero"`
	Bundles []root.File `json:"bundles"`  // without their lists
	Packs   [][]member  `json:"versions"` // by crate, oldest first
}

// member is a version in one of the task's bundles.
type member struct {
	Name    string         `json:"n"`
	Version string         `json:"v"`
	SHA256  crate.Checksum `json:"c"`
	Size    int64          `json:"s"`
	Bundle  int            `json:"b"`
	Offset  int64          `json:"o"`
	Frame   int64          `json:"f"`
}

func (m *member) key() crate.Key {
	return crate.Key{ID: crate.ID{Name: m.Name, Version: m.Version}, Checksum: m.SHA256}
}

// Limits of a Repack task, in addition to [RepackPlan].TaskSize.
const (
	maxTaskVersions = 20_000
	maxTaskSize     = 4 << 30
)

// RepackPlan plans how to pack the versions that are not in the deep archive yet.
type RepackPlan struct {
	Bucket   bucket.Bucket
	Root     *root.Root
	Scratch  string     // folder for temporary files
	Empty    durable.FS // a folder without bundles or segments
	TaskSize int64      // bytes of .crate files per task; default 256 MiB
	AtLeast  int        // skip crates with fewer versions to pack; default 1
	// Number reserves a number for a segment of a shard, unique in that shard.
	Number func(ctx context.Context, shard string) (int, error)
}

const usualTaskSize = 256 << 20

// Plan writes the tasks to the board and returns the job.
func (p RepackPlan) Plan(ctx context.Context, b *work.Board) (_ *work.Job, err error) {
	p.TaskSize, p.AtLeast = min(cmp.Or(p.TaskSize, usualTaskSize), maxTaskSize), max(p.AtLeast, 1)
	s, err := p.spool(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	job := &work.Job{Created: time.Now().UTC()}
	for records, err := range s.parts() {
		if err != nil {
			return nil, err
		}
		if err := p.part(ctx, b, job, records); err != nil {
			return nil, err
		}
	}
	return b.Begin(ctx, job)
}

// spool returns a spool of everything in bundles and segments.
func (p *RepackPlan) spool(ctx context.Context) (*spool, error) {
	total := int64(0)
	for _, f := range slices.Concat(p.Root.Bundles, p.Root.Segments) {
		total += int64(f.Entries)
	}
	s, err := newSpool(p.Scratch, total)
	if err != nil {
		return nil, err
	}
	if err := collect(ctx, p.Bucket, p.Empty, p.Root, s); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// collect adds the contents of all bundles and segments of the root to a spool.
func collect(ctx context.Context, in bucket.Reader, empty durable.FS, r *root.Root, s *spool) error {
	for n := range r.Bundles {
		err := eachMember(ctx, in, &r.Bundles[n], func(e *lists.ManifestEntry) error {
			return s.add(&record{Key: crate.Key{ID: e.ID, Checksum: e.Checksum}, File: n, Size: e.Size, Offset: e.Offset, Frame: e.FrameSize})
		})
		if err != nil {
			return err
		}
	}
	for n := range r.Segments {
		err := eachPacked(ctx, in, empty, &r.Segments[n], func(v *deep.Version) error {
			return s.add(&record{Key: v.Key, File: n, Deep: true, Size: v.Size})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// part plans the crates of one part of the spool. A task never mixes shards of the mirror, nor
// does a bundle.
func (p *RepackPlan) part(ctx context.Context, b *work.Board, job *work.Job, records []record) error {
	byShard := map[string][]record{}
	for _, r := range unpacked(records) {
		shard := p.shardOf(r.Name)
		byShard[shard] = append(byShard[shard], r)
	}
	for shard, list := range byShard {
		t := &taskMaker{plan: p, board: b, job: job, shard: shard}
		for _, versions := range byCrate(list) {
			if len(versions) < p.AtLeast {
				continue
			}
			if err := t.add(ctx, versions); err != nil {
				return err
			}
		}
		if err := t.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shardOf returns the shard of the mirror that a crate belongs to, according to the root: ""
// if the mirror is not sharded.
func (p *RepackPlan) shardOf(name string) string {
	for label, w := range p.Root.Writers {
		s, err := crate.ParseShard(label)
		if label != "" && err == nil && w.Epoch > 0 { // a writer with a lease: all such shards divide the mirror in the same way
			return crate.Shard{Index: crate.ShardOf(name, s.Of), Of: s.Of}.String()
		}
	}
	return ""
}

// unpacked returns the versions that are in bundles and in no segment, without duplicates.
func unpacked(records []record) []record {
	known := make(map[crate.Key]bool, len(records))
	for i := range records {
		if records[i].Deep {
			known[records[i].Key] = true
		}
	}
	var list []record
	for _, r := range records {
		if !known[r.Key] {
			known[r.Key] = true
			list = append(list, r)
		}
	}
	return list
}

// byCrate groups records by crate, oldest first.
func byCrate(list []record) [][]record {
	slices.SortFunc(list, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), semver.CompareText(a.Version, b.Version), cmp.Compare(a.Version, b.Version), slices.Compare(a.Checksum[:], b.Checksum[:]))
	})
	var crates [][]record
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Name == list[0].Name {
			n++
		}
		crates, list = append(crates, list[:n:n]), list[n:]
	}
	return crates
}

// taskMaker collects crates until there are enough for a task.
type taskMaker struct {
	plan  *RepackPlan
	board *work.Board
	job   *work.Job
	shard string

	task     packTask
	bundles  map[int]int // number in the root to index in the task's list
	versions int
	size     int64
}

// add adds the versions of a crate. A crate with very many continues in the next task.
func (t *taskMaker) add(ctx context.Context, versions []record) error {
	for part := range slices.Chunk(versions, deep.MaxVersions) {
		list := make([]member, len(part))
		for n := range part {
			r := &part[n]
			list[n] = member{r.Name, r.Version, r.Checksum, r.Size, t.bundle(r.File), r.Offset, r.Frame}
			t.size += r.Size
		}
		t.task.Packs, t.versions = append(t.task.Packs, list), t.versions+len(list)
		if t.size >= t.plan.TaskSize || t.versions >= maxTaskVersions {
			if err := t.end(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *taskMaker) bundle(n int) int {
	if t.bundles == nil {
		t.bundles = map[int]int{}
	}
	at, known := t.bundles[n]
	if !known {
		at = len(t.task.Bundles)
		f := t.plan.Root.Bundles[n]
		f.Lists = nil
		t.task.Bundles, t.bundles[n] = append(t.task.Bundles, f), at
	}
	return at
}

// end writes the task to the board.
func (t *taskMaker) end(ctx context.Context) error {
	if len(t.task.Packs) == 0 {
		return nil
	}
	number, err := t.plan.Number(ctx, t.shard)
	if err != nil {
		return err
	}
	shard := crate.Shard{}
	if t.shard != "" {
		if shard, err = crate.ParseShard(t.shard); err != nil {
			return err
		}
	}
	t.task.Segment, t.task.Shard = deep.Name{Shard: shard, Number: number}.String(), t.shard
	data, err := json.Marshal(&t.task)
	if err != nil {
		return err
	}
	id, err := t.board.Plan(ctx, data)
	t.job.Tasks = append(t.job.Tasks, id)
	t.task, t.bundles, t.versions, t.size = packTask{}, nil, 0, 0
	return err
}
