package pull

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// BenchmarkMiss is what a version costs that is not here: the whole way, stored durably;
// and beside it what upstream takes alone.
//
//	go test -run '^$' -bench Miss -benchtime 300x ./internal/pull
func BenchmarkMiss(b *testing.B) {
	reg := simreg.New()
	for i := range 20_000 {
		reg.Add(simreg.Version{Name: fmt.Sprintf("crate%d", i), Version: "1.0.0", Size: 20_000})
	}
	w := newWorldOf(b, reg)
	next := 0
	id := func() crate.ID {
		next++
		return crate.ID{Name: fmt.Sprintf("crate%d", next%20_000), Version: "1.0.0"}
	}
	for range 20 { // checksums are made when they are first asked for
		_, _ = reg.Checksum(id())
	}
	b.Run("upstream", func(b *testing.B) {
		for b.Loop() {
			resp, err := http.Get(w.server.BaseURL + "/" + id().URLPath())
			w.must(err)
			_, err = io.Copy(io.Discard, resp.Body)
			w.must(err)
			resp.Body.Close()
		}
	})
	b.Run("pulled", func(b *testing.B) {
		folder, err := durable.Create(filepath.Join(b.TempDir(), "pulled"))
		w.must(err)
		w.disk = folder
		m := w.open()
		for b.Loop() {
			id := id()
			b.StopTimer() // cargo has asked for the lines before
			_ = versions(m, id.Name)
			b.StartTimer()
			w.must(w.get(m, id))
		}
	})
}
