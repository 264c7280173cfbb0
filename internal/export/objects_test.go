package export

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// exportTo runs once on a bucket.
func exportTo(t *testing.T, m Mirror, to bucket.Bucket, state durable.FS, change func(*BucketConfig)) (*Summary, error) {
	t.Helper()
	cfg := BucketConfig{Mirror: m, To: to, State: state, PublicURL: "https://mirror.example", AcceptShrink: true}
	if change != nil {
		change(&cfg)
	}
	return RunBucket(t.Context(), cfg)
}

func mustExportTo(t *testing.T, m Mirror, to bucket.Bucket, state durable.FS, change func(*BucketConfig)) *Summary {
	t.Helper()
	s, err := exportTo(t, m, to, state, change)
	if err != nil || len(s.Problems) > 0 {
		t.Fatalf("%v, %v", s.Problems, err)
	}
	return s
}

// content returns the content of a bucket, without objects that are not for clients.
func content(t *testing.T, b bucket.Bucket) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := bucket.ReadAll(t.Context(), b, o.Key, bucket.Ask{}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(o.Key, StateDir) {
			all[o.Key] = string(data)
		}
	}
	return all
}

// checkBucket checks that every line leads to the bytes that it names.
func checkBucket(t *testing.T, b bucket.Bucket) {
	t.Helper()
	all := content(t, b)
	for key, text := range all {
		if !strings.HasPrefix(key, IndexDir+"/") || key == configName {
			continue
		}
		for line := range strings.Lines(text) {
			e, err := index.ParseLine([]byte(strings.TrimSuffix(line, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range fileNames(e.ID) {
				data := all[path.Join(folderOf(e.Name), name)]
				if sum, _, _ := crate.Hash(strings.NewReader(data)); sum != e.Checksum {
					t.Errorf("the line of %s leads to %d bytes that it does not name", e.ID, len(data))
				}
			}
		}
	}
}

func TestExportToABucket(t *testing.T) {
	to, state := bucket.Memory(), durabletest.NewMem()
	s := mustExportTo(t, newFake(before), to, state, nil)
	if s.Versions != 5 || s.Copied != 7 || s.Index != 3 {
		t.Errorf("the first run: %+v", s.Counts)
	}
	checkBucket(t, to)
	all := content(t, to)
	if got := all[configName]; got != "{\n\t\"dl\": \"https://mirror.example/crates/{crate}/{crate}-{version}.crate\"\n}\n" {
		t.Errorf("config.json is %s", got)
	}
	for _, key := range []string{"crates/bar/bar-0.1.0+a.crate", "crates/bar/bar-0.1.0 a.crate", "index/3/b/bar"} {
		if all[key] == "" {
			t.Errorf("there is no %s", key)
		}
	}
	s = mustExportTo(t, newFake(after), to, state, func(cfg *BucketConfig) { cfg.Prune = true })
	if s.Versions != 4 || s.Copied != 2 || s.Index != 3 || s.Removed != 1 || s.Pruned != 4 {
		t.Errorf("the second run: %+v", s.Counts)
	}
	checkBucket(t, to)
	fresh := bucket.Memory()
	mustExportTo(t, newFake(after), fresh, durabletest.NewMem(), nil)
	if diff := cmp.Diff(content(t, fresh), content(t, to)); diff != "" {
		t.Errorf("it is not what a first run makes (-want +got):\n%s", diff)
	}
}

// A run without changes makes almost no requests, and a run whose record is lost or another
// machine's reads the index and puts nothing.
func TestExportToABucketAgain(t *testing.T) {
	inner, state := bucket.Memory(), durabletest.NewMem()
	to := buckettest.NewFaulty(inner)
	mustExportTo(t, newFake(before), to, state, nil)
	to.Restart()
	mustExportTo(t, newFake(before), to, state, nil)
	if want, got := []string{"get " + claimName, "put " + claimName, "head " + claimName, "head " + claimName, "get " + configName}, to.Requests(); !slices.Equal(want, got) {
		t.Errorf("a run without work asks %v", got)
	}
	for name, state := range map[string]durable.FS{"lost": durabletest.NewMem(), "another machine's": state} {
		to.Restart()
		s := mustExportTo(t, newFake(before), to, state, nil)
		var put []string
		for _, r := range to.Requests() {
			if strings.HasPrefix(r, "put ") {
				put = append(put, r)
			}
		}
		if !slices.Equal(put, []string{"put " + claimName}) || s.Kept != 5 {
			t.Errorf("with a state that is %s: %v, %+v", name, put, s.Counts)
		}
	}
}

// If a run is killed at any request, or its answer is lost, no line in the bucket is
// without its crate, and the next run completes the tree.
func TestExportToABucketKilled(t *testing.T) {
	for name, m := range map[string]*fake{"other versions": newFake(after), "other bytes": republished()} {
		for _, fault := range []buckettest.Fault{buckettest.Kill, buckettest.KillAfter, buckettest.After, buckettest.Taken} {
			t.Run(name, func(t *testing.T) { killed(t, m, fault) })
		}
	}
}

func killed(t *testing.T, m *fake, fault buckettest.Fault) {
	want := bucket.Memory()
	mustExportTo(t, m, want, durabletest.NewMem(), nil)
	for n := 1; ; n++ {
		inner, state := bucket.Memory(), durabletest.NewMem()
		mustExportTo(t, newFake(before), inner, state, nil)
		to := buckettest.NewFaulty(inner).At(n, fault)
		pruning := func(cfg *BucketConfig) { cfg.Prune = true }
		_, err := exportTo(t, m, to, state, pruning)
		checkBucket(t, inner)
		if n > len(to.Requests()) {
			if err != nil || n < 10 {
				t.Errorf("%d requests, %v", n, err)
			}
			return
		}
		to.Restart()
		mustExportTo(t, m, to, state, pruning)
		if diff := cmp.Diff(content(t, want), content(t, inner)); diff != "" {
			t.Fatalf("killed at request %d, then (-want +got):\n%s", n, diff)
		}
	}
}

// Two machines that export to one bucket do not undo each other's work.
func TestExportToABucketOvertaken(t *testing.T) {
	to := bucket.Memory()
	m := &overtaken{fake: newFake(before), during: func() {
		mustExportTo(t, newFake(before), to, durabletest.NewMem(), nil)
	}}
	if _, err := exportTo(t, m, to, durabletest.NewMem(), func(cfg *BucketConfig) { cfg.Prune = true }); !errors.Is(err, ErrOvertaken) {
		t.Errorf("it ends with %v", err)
	}
	checkBucket(t, to)
}

// overtaken is a mirror that another machine exports while it is read.
type overtaken struct {
	*fake
	during func()
	once   sync.Once
}

func (o *overtaken) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	o.once.Do(o.during)
	return o.fake.Crate(ctx, name)
}

// A damaged version of the mirror is left out together with its line; foreign objects are
// not touched.
func TestExportToABucketRefuses(t *testing.T) {
	m := newFake(before)
	m.wrong = crate.ID{Name: "foo", Version: "1.1.0"}
	m.damaged = crate.ID{Name: "gone", Version: "1.0.0"}
	to := bucket.Memory()
	s, err := exportTo(t, m, to, durabletest.NewMem(), nil)
	if err != nil || s.Damaged != 2 || s.Versions != 3 {
		t.Errorf("%+v, %v, %v", s.Counts, s.Problems, err)
	}
	checkBucket(t, to)
	if _, err := exportTo(t, m, to, durabletest.NewMem(), func(cfg *BucketConfig) { cfg.AsOf = strings.Repeat("a", 40) }); !errors.As(err, new(*PointError)) {
		t.Errorf("mixed with another day: %v", err)
	}
	foreign := bucket.Memory()
	if _, err := foreign.Put(t.Context(), "photo.jpg", bucket.Bytes(nil), bucket.Absent()); err != nil {
		t.Fatal(err)
	}
	if _, err := exportTo(t, m, foreign, durabletest.NewMem(), nil); !errors.Is(err, ErrForeign) {
		t.Errorf("a bucket with other things: %v", err)
	}
}
