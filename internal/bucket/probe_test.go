package bucket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
)

// Opening a bucket finds each broken promise and names it in the error.
func TestProbe(t *testing.T) {
	for name, test := range map[string]struct {
		lie  buckettest.Lie
		want string
	}{
		"honest":            {buckettest.Honest, ""},
		"several create":    {buckettest.SeveralCreate, "of 16 that created one object at the same time 16 succeeded, but of those who create at the same time one succeeds"},
		"loses updates":     {buckettest.LosesUpdates, "of 16 that replaced one state of an object at the same time 16 succeeded"},
		"ignores absent":    {buckettest.IgnoresAbsent, "an object was created where one was"},
		"ignores the tag":   {buckettest.IgnoresTag, "an object was replaced that had changed"},
		"keeps wrong bytes": {buckettest.KeepsWrong, "bytes that do not have their checksum were stored, but"},
		"refuses and keeps": {buckettest.RefusesAndKeeps, "bytes that do not have their checksum were refused and are there"},
		"torn reads":        {buckettest.TornReads, "updates of an object succeeded and"},
		"ignores ranges":    {buckettest.IgnoresRange, `"0123456789" of 10 bytes came where 3456 of 10 was asked for`},
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

// A provider that cannot be reached is not reported as breaking the contract.
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
