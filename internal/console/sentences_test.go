package console_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
)

// TestA13Sentences: a line has the message and the attributes that are not empty, and text
// from outside cannot move the cursor.
func TestA13Sentences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(console.NewSentences(&out, slog.LevelInfo))
		log.Info("planned", "crates", 218, "to_fetch", 4743, "conflicts", 0, "yanked", false, "took", 1234*time.Millisecond, "out", "")
		log.Warn("not served", "flag", "-listen", "err", errors.New("the port is\ntaken\x1b[2J"))
		log.With("crate", "foo").WithGroup("of").Error("damaged", "size", int64(7))
		log.Debug("not shown")
		clock := time.Now().Format("15:04:05 ")
		want := clock + "planned (crates 218, to fetch 4,743, took 1.2s)\n" +
			clock + "warning: not served: the port is; taken\ufffd[2J (flag -listen)\n" +
			clock + "error: damaged (crate foo, of.size 7)\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	})
}
