package replica

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// What a crate of 20 KB costs through a replica: the bare ranged GET of its frame, the
// same through the reader (cold), out of the cache (warm), and from a bundle on the disk
// (local).
//
//	go test ./internal/replica -run TestCostOfACrate -v -count 1
func TestCostOfACrate(t *testing.T) {
	const crates = 300
	var versions strings.Builder
	for n := range crates {
		fmt.Fprintf(&versions, "crate-%d 1.0.0\n  size 20000\n", n)
	}
	dir := t.TempDir()
	b, err := bucket.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := replicatest.New(t, b, versions.String())
	s := newSite(t, p)
	s.mustOpen()
	s.dirs.Remote = overlay.New(b)
	s.dirs.Remote.Show(p.Root)
	open := func(d home.Dirs) *reader.View {
		view, err := reader.Open(t.Context(), reader.Config{Dirs: d, Limits: home.Limits{FetchedCache: 1 << 30}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { view.Close() })
		return view
	}
	view := open(s.dirs)
	read := func(n int) {
		f, err := view.Open(t.Context(), id(fmt.Sprintf("crate-%d 1.0.0", n)))
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	get := func(n int) {
		if err := getRange(t.Context(), b, root.Key(root.BundlesDir, p.Root.Bundles[0].Name), int64(n)*20000); err != nil {
			t.Fatal(err)
		}
	}
	bare, cold, warm := median(crates, get), median(crates, read), median(crates, read)
	onDisk := s.dirs
	onDisk.Remote, onDisk.Bundles = nil, filepath.Join(dir, root.BundlesDir)
	view = open(onDisk)
	local := median(crates, read)
	t.Logf("median of %d: GET %v, cold %v, warm %v, local %v", crates, bare, cold, warm, local)
	if more := cold - bare; more > 10*time.Millisecond { // 2 ms are the aim, on a quiet machine
		t.Errorf("a cold crate takes %v more than its GET", more)
	}
}

func getRange(ctx context.Context, b bucket.Reader, key string, offset int64) error {
	body, _, err := b.Get(ctx, key, bucket.Ask{Offset: offset, Length: 20000})
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

func median(n int, do func(int)) time.Duration {
	took := make([]time.Duration, n)
	for i := range took {
		begin := time.Now()
		do(i)
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[n/2]
}
