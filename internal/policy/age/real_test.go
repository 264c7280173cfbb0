package age

import (
	"flag"
	"log/slog"
	"testing"
	"time"
)

var realIndex = flag.String("index", "", "a real index in git, whose history is read")

func TestReal(t *testing.T) {
	if *realIndex == "" {
		t.Skip("needs -index DIR")
	}
	for _, days := range []int{1, 7, 30} {
		begin := time.Now()
		b, err := Open(t.Context(), *realIndex, time.Duration(days)*24*time.Hour, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d days, from %s to %s: %d versions came, read in %v", days, b.table.base.Time.UTC().Format(time.RFC3339),
			b.table.head.Time.UTC().Format(time.RFC3339), len(b.table.came), time.Since(begin).Round(time.Millisecond))
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
