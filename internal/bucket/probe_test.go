package bucket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
)

// TestProbe checks that Probe finds each broken promise and that the error names it.
func TestProbe(t *testing.T) {
	for name, test := range map[string]struct {
		lie  buckettest.Lie
		want string
	}{
		"honest":            {buckettest.Honest, ""},
		"several create":    {buckettest.SeveralCreate, "16 of 16 simultaneous creates succeeded, but only one of several simultaneous creates may succeed"},
		"loses updates":     {buckettest.LosesUpdates, "16 of 16 simultaneous updates succeeded"},
		"ignores absent":    {buckettest.IgnoresAbsent, "an object was created although one existed"},
		"ignores the tag":   {buckettest.IgnoresTag, "an object that had changed was replaced"},
		"keeps wrong bytes": {buckettest.KeepsWrong, "bytes with a wrong checksum were stored, but"},
		"refuses and keeps": {buckettest.RefusesAndKeeps, "bytes with a wrong checksum were stored although they were refused"},
		"torn reads":        {buckettest.TornReads, "successful updates are stored, but a read must return"},
		"ignores ranges":    {buckettest.IgnoresRange, `the answer is "0123456789" of 10 bytes instead of 3456 of 10`},
	} {
		t.Run(name, func(t *testing.T) {
			b := bucket.Memory()
			err := bucket.Probe(t.Context(), buckettest.Liar(b, test.lie))
			if wrong := (*bucket.ProviderError)(nil); errors.As(err, &wrong) != (test.want != "") {
				t.Fatalf("Probe = %v", err)
			}
			if test.want != "" && (!strings.HasPrefix(err.Error(), "the provider of mem: cannot be used: ") || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Probe = %v, want %q", err, test.want)
			}
			for o := range b.List(t.Context(), "") {
				t.Errorf("the probe leaves %s", o.Key)
			}
		})
	}
}

// TestProbeFails checks that a provider that cannot be reached is not reported as breaking the
// contract.
func TestProbeFails(t *testing.T) {
	requests := buckettest.NewFaulty(bucket.Memory())
	if err := bucket.Probe(t.Context(), requests); err != nil {
		t.Fatal(err)
	}
	for n := range len(requests.Requests()) {
		b := buckettest.NewFaulty(bucket.Memory()).At(n+1, buckettest.Kill)
		err := bucket.Probe(t.Context(), b)
		if !errors.Is(err, buckettest.ErrInjected) || errors.As(err, new(*bucket.ProviderError)) {
			t.Errorf("killed at request %d: %v", n+1, err)
		}
	}
}

func TestExamine(t *testing.T) {
	var names []string
	for f := range bucket.Examine(t.Context(), bucket.Memory()) {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Check, f.Err)
		}
		names = append(names, f.Check)
	}
	if got := strings.Join(names, " "); got != "store keys range checksum create race replace updates reads upload" {
		t.Errorf("checks: %s", got)
	}
}
