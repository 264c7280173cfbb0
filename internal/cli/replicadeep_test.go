package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// A running replica still serves versions that sync has moved from bundles to a segment of
// the deep archive.
func TestReplicaFollowsSegments(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	b, address := folderBucket(t)
	w := newWriter(t, address)
	w.args = append(w.args, "-deep")
	publish := func(name string) {
		var versions strings.Builder
		for n := range 8 {
			fmt.Fprintf(&versions, "%s 1.%d.0\n", name, n)
		}
		w.reg.Add(simreg.MustParse(versions.String())...)
		w.sync()
	}
	publish("first")
	s := startServing(t, replicaConfig(t, address))
	publish("second")
	r, _, err := root.Read(t.Context(), b, "")
	must(t, err)
	if len(r.Segments) < 2 {
		t.Fatalf("there is no second segment: %+v", r.Segments)
	}
	// Its bundles go, as when what is in the archive is pruned from them.
	r.Bundles, r.Generation = nil, r.Generation+1
	data, err := r.Append(nil)
	must(t, err)
	_, err = b.Put(t.Context(), root.Name, bucket.Bytes(data), bucket.Always())
	must(t, err)
	begin := time.Now()
	for want := fmt.Sprintf(`"msg":"the mirror in the bucket has changed","generation":%d,`, r.Generation); !s.hasLogged(want); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("no %s\n%s", want, &s.log)
		}
	}
	t.Logf("followed after %v", time.Since(begin))
	for _, id := range []crate.ID{{Name: "first", Version: "1.3.0"}, {Name: "second", Version: "1.3.0"}} {
		want, err := w.reg.CrateBytes(id)
		must(t, err)
		if code, data := s.get(t, "/crates/"+id.Name+"/"+id.Version+"/download"); code != 200 || data != string(want) {
			t.Errorf("%s: %d, %d bytes, want %d\n%s", id, code, len(data), len(want), &s.log)
		}
	}
}

func (s *served) hasLogged(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.log.String(), text)
}
