package gate

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
)

// TestCostOfAPolicy measures what a policy of 1,000 denied crates, an age and a block costs an
// answer of the index. It asks two servers of one mirror in turn; only one has the policy.
func TestCostOfAPolicy(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("it measures: -v")
	}
	const crates, rounds = 50, 40
	var versions []string
	for c := range crates {
		for v := range 30 {
			versions = append(versions, fmt.Sprintf("crate%d 1.%d.0", c, v))
		}
	}
	f := newFake(versions...)
	text := "[age]\nmin-age = \"7d\"\n"
	for n := range 1000 {
		text += fmt.Sprintf("[[deny]]\ncrate = \"evil%d\"\n", n)
	}
	w := newWorld(t, f, text)
	w.block("evil", "x")
	handlers := map[string]http.Handler{
		"without": registry.New(registry.Config{Mirror: f}),
		"with":    registry.New(registry.Config{Mirror: w.Mirror, Gated: true}),
	}
	took := map[string][]time.Duration{}
	kinds := []string{"without", "with"}
	for round := range rounds {
		for c := range crates {
			slices.Reverse(kinds) // the first one pays costs that the second one does not
			for _, kind := range kinds {
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/index/cr/at/crate%d", c), nil)
				rec := httptest.NewRecorder()
				begin := time.Now()
				handlers[kind].ServeHTTP(rec, r)
				if rec.Code != http.StatusOK {
					t.Fatalf("crate%d: %d %s", c, rec.Code, rec.Body)
				}
				if n := min(round, 1); n == 1 {
					took[kind] = append(took[kind], time.Since(begin))
				} else {
					took["first, "+kind] = append(took["first, "+kind], time.Since(begin))
				}
			}
		}
	}
	median := func(all []time.Duration) time.Duration { slices.Sort(all); return all[len(all)/2] }
	without, with := median(took["without"]), median(took["with"])
	t.Logf("made for the first time, median of %d: %v without a policy, %v with one", crates, median(took["first, without"]), median(took["first, with"]))
	t.Logf("median of %d answers: %v without a policy, %v with one: %+.1f %%", len(took["with"]), without, with, 100*(float64(with)/float64(without)-1))
	if with > 2*without { // a factor that load on the machine does not cause, since the two take turns
		t.Errorf("an answer takes %v with a policy, %v without", with, without)
	}
}
