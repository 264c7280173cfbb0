package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// A proxy serves pulled crates as fast as a mirror serves its own: the test requests the same
// crate files from both in turn.
func TestCargoGetsPulledCratesAsFast(t *testing.T) {
	if !*durabletest.Thorough {
		t.Skip("measures: make slow")
	}
	var text strings.Builder
	for n := range 300 {
		fmt.Fprintf(&text, "many 1.%d.0\n  size 20000\n", n)
	}
	reg := simreg.New(simreg.MustParse(text.String() + "large 1.0.0\n  size 2000000\n")...)
	dir := t.TempDir()
	mirrorDemo(t, reg, dir, false)
	cfg := serveConfigOf(dir)
	cfg.Log.Level = "warn"
	mirror := startServing(t, cfg)
	proxy := pullsFrom(t, t.TempDir(), mirror)
	proxy.Log.Level = "warn"
	proxy.Pull.IndexAge = time.Hour
	pulled := startServing(t, proxy)
	for _, id := range []crate.ID{{Name: "many", Version: "1.250.0"}, {Name: "large", Version: "1.0.0"}} {
		want, err := reg.CrateBytes(id)
		must(t, err)
		get := func(s *served) time.Duration {
			begin := time.Now()
			resp, err := http.Get(s.root() + "/crates/" + id.Name + "/" + id.Version + "/download")
			must(t, err)
			got, err := io.ReadAll(resp.Body)
			took := time.Since(begin)
			must(t, err)
			must(t, resp.Body.Close())
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: status %d, %d bytes that are not the crate", id, resp.StatusCode, len(got))
			}
			return took
		}
		var held, hit []time.Duration
		for range 300 {
			held = append(held, get(mirror))
			hit = append(hit, get(pulled))
		}
		slices.Sort(held)
		slices.Sort(hit)
		ratio := float64(hit[150]) / float64(held[150])
		t.Logf("%s, %d bytes, median of 300: held %v, pulled %v, %.2f of it", id, len(want), held[150], hit[150], ratio)
		if ratio > 2 {
			t.Errorf("%s: what was pulled takes %.2f times as long as what is held", id, ratio)
		}
	}
}
