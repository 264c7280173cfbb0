package pull

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// benchWorld has as many crates of 20 KB as are asked for, a world apart: hardly two of
// them share a folder, so that most folders are made for them, too.
func benchWorld(b *testing.B, crates int) (*world, []crate.ID) {
	rnd := rand.New(rand.NewPCG(1, 2))
	reg := simreg.New()
	ids := make([]crate.ID, crates)
	for i := range ids {
		letter := func() rune { return 'a' + rnd.Int32N(26) }
		ids[i] = crate.ID{Name: fmt.Sprintf("%c%c%c%c%d", letter(), letter(), letter(), letter(), i), Version: "1.0.0"}
		reg.Add(simreg.Version{Name: ids[i].Name, Version: ids[i].Version, Size: 20_000})
	}
	w := newWorldOf(b, reg)
	folder, err := durable.Create(filepath.Join(b.TempDir(), "pulled"))
	w.must(err)
	w.disk, w.cfg.MaxAge = folder, time.Minute // as of the command
	return w, ids
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds() * 1000
}

// BenchmarkMiss is what a version costs that is not here, the whole way, stored durably;
// and what upstream takes alone, of the same files in the same seconds.
//
//	go test -run '^$' -bench Miss -benchtime 500x ./internal/pull
func BenchmarkMiss(b *testing.B) {
	w, ids := benchWorld(b, 2000)
	m := w.open()
	get := func(id crate.ID) {
		resp, err := http.Get(w.server.BaseURL + "/" + id.URLPath())
		w.must(err)
		_, err = io.Copy(io.Discard, resp.Body)
		w.must(err)
		w.must(resp.Body.Close())
	}
	timed := func(do func()) time.Duration {
		begin := time.Now()
		do()
		return time.Since(begin)
	}
	var upstream, miss []time.Duration
	for n := 0; b.Loop(); n++ {
		id := ids[n%len(ids)]
		_ = versions(m, id.Name) // cargo has asked for the lines before
		get(id)                  // the registry makes the file
		upstream = append(upstream, timed(func() { get(id) }))
		miss = append(miss, timed(func() { w.must(w.get(m, id)) }))
	}
	b.ReportMetric(median(upstream), "upstream-ms")
	b.ReportMetric(median(miss), "miss-ms")
	b.ReportMetric(median(miss)-median(upstream), "more-ms")
}
