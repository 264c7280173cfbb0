package cli

import (
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestC1KillFetchesLittleAgain kills the real program in the middle of a run, long before the
// first checkpoint. The next run keeps everything that was downloaded, and repeats only the
// requests that were in progress.
func TestC1KillFetchesLittleAgain(t *testing.T) {
	durabletest.Seldom(t, 3)
	const versions, concurrency = 600, 16
	for _, flags := range [][]string{nil, {"-bundle"}} {
		m := newMirrored(t, simreg.Generate(versions, 1<<10, 1))
		m.flags = append(flags, "-bundles-out", m.home().Bundles, "-concurrency", "16")
		m.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 10 * time.Millisecond, Times: -1})
		cmd, out := m.command()
		must(t, cmd.Start())
		for deadline := time.Now().Add(time.Minute); m.reg.TotalRequests() < versions/2 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		before := m.reg.TotalRequests()
		if before < versions/2 || before == versions {
			t.Fatalf("killed after %d requests:\n%s", before, out)
		}
		cmd, out = m.command()
		if err := cmd.Run(); err != nil {
			t.Fatalf("after the kill: %v\n%s", err, out)
		}
		again := m.reg.TotalRequests() - versions
		t.Logf("%v: killed after %d requests, %d made again", flags, before, again)
		if again > concurrency {
			t.Errorf("%v: %d of %d versions were fetched again, at most those under way, %d, should be", flags, again, before, concurrency)
		}
	}
}
