package dependants

import (
	"context"
	"flag"
	"runtime"
	"testing"
	"time"
)

var realIndex = flag.String("real", "", "measure on this index, say a bare clone of crates.io's")

// TestReal measures: go test ./internal/dependants -run TestReal -v -real DIR
func TestReal(t *testing.T) {
	if *realIndex == "" {
		t.Skip("only with -real")
	}
	w := NewWatch(Config{Dir: *realIndex, Interval: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	go w.Follow(ctx)
	for w.Graph() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(begin)
	g := w.Graph()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("%d crates and %d edges in %v; %d MB on the heap", g.Crates(), len(g.used), took, m.HeapAlloc>>20)
	all, strong := g.Count("serde")
	begin = time.Now()
	first := g.Of("serde", 0, 10)
	t.Logf("serde: used by %d, %d not for tests alone; %q in %v", all, strong, first, time.Since(begin))
	t.Logf("%d months", len(g.Growth()))
}
