package doctor_test

import (
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/doctor"
)

func TestStore(t *testing.T) {
	for name, test := range map[string]struct {
		b      bucket.Bucket
		failed int
		want   string // part of the result
	}{
		"good":        {bucket.Memory(), 0, "ok       race "},
		"lies":        {buckettest.Liar(bucket.Memory(), buckettest.SeveralCreate), 1, "FAIL     race     16 of 16 simultaneous creates succeeded, but only one of several simultaneous creates may succeed"},
		"unreachable": {buckettest.NewFaulty(bucket.Memory()).At(1, buckettest.Kill), 11, "the process is dead"},
	} {
		var told strings.Builder
		failed, err := doctor.Store(t.Context(), test.b, func(r doctor.Result) { r.Print(&told) })
		if err != nil || failed != test.failed || !strings.Contains(told.String(), test.want) {
			t.Errorf("%s: %d failed, %v:\n%s", name, failed, err, &told)
		}
	}
}
