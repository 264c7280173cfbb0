package roundlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// round is one that ended so many hours after the start.
func round(hours int, downloaded int64, result string) roundlog.Round {
	end := start.Add(time.Duration(hours) * time.Hour)
	r := roundlog.Round{Began: end.Add(-time.Minute), Ended: end, Downloaded: downloaded, Result: result}
	if result != "" {
		r.ExitCode = 3
	}
	return r
}

// The file says what happened, the oldest first; rounds that found nothing new are one.
func TestAppend(t *testing.T) {
	disk := durabletest.NewMem()
	if l, err := roundlog.Read(disk); err != nil || len(l.Rounds)+len(l.Sizes) > 0 {
		t.Fatalf("before the first round: %+v, %v", l, err)
	}
	for _, r := range []struct {
		roundlog.Round
		held int64
	}{
		{round(1, 90, ""), 90}, {round(2, 0, ""), 0}, {round(3, 0, ""), 0}, {round(4, 0, "the disk is full"), 0},
		{round(5, 0, ""), 0}, {round(6, 7, ""), 97}, {round(30, 3, ""), 100},
	} {
		if err := roundlog.Append(disk, r.Round, r.held); err != nil {
			t.Fatal(err)
		}
	}
	l, err := roundlog.Read(disk)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range l.Rounds {
		got = append(got, fmt.Sprint(r.Count, " ", r.Began.Format("15:04"), " ", r.Ended.Format("15:04"), " ", r.Downloaded, r.Complete(), r.Result))
	}
	want := []string{
		"1 00:59 01:00 90 true", "2 01:59 03:00 0 true", "1 03:59 04:00 0 falsethe disk is full",
		"1 04:59 05:00 0 true", "1 05:59 06:00 7 true", "1 05:59 06:00 3 true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	sizes := []roundlog.Size{{At: start.Add(6 * time.Hour), Versions: 97}, {At: start.Add(30 * time.Hour), Versions: 100}}
	if diff := cmp.Diff(sizes, l.Sizes); diff != "" {
		t.Errorf("one size a day: %s", diff)
	}
}

// Years of rounds stay a small file, in which the first size is kept.
func TestBounded(t *testing.T) {
	l := new(roundlog.Log)
	for i := range 5000 {
		l.Add(round(24*i, int64(i), strings.Repeat("é", 1000)), int64(1+i))
	}
	if len(l.Rounds) != roundlog.Rounds || l.Rounds[len(l.Rounds)-1].Downloaded != 4999 {
		t.Errorf("%d rounds, the last one %+v", len(l.Rounds), l.Rounds[len(l.Rounds)-1])
	}
	if n := len(l.Sizes); n > roundlog.Sizes || l.Sizes[0].Versions != 1 || l.Sizes[n-1].Versions != 5000 {
		t.Errorf("%d sizes, from %+v to %+v", n, l.Sizes[0], l.Sizes[n-1])
	}
	disk := durabletest.NewMem()
	if err := errors.Join(durable.WriteFile(disk, roundlog.Name, []byte(`{"rounds": 7}`)), roundlog.Append(disk, l.Rounds[0], 1)); err != nil {
		t.Error("a file that is none is begun again:", err)
	}
	if l, err := roundlog.Read(disk); err != nil || len(l.Rounds) != 1 || len(l.Rounds[0].Result) > 500 {
		t.Errorf("%+v, %v", l, err)
	}
}

// Whatever the file has become, it is read as a bounded list or refused, and the next round
// is recorded.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"", "{", "null", "[]", "\x00\x00\x00", `{"rounds":null}`, `{"rounds":[{}]}`, `{"rounds":[null],"sizes":[null]}`, `{"rounds":[{"rounds":-1,"exit_code":1e99}]}`,
		`{"rounds":[{"ended_at":"yesterday"}]}`, `{"rounds":[{"rounds":-5,"downloaded":-7,"bytes":-9223372036854775808}],"sizes":[{"versions":-1}]}`,
		`{"rounds":[{"result":"` + strings.Repeat("\u00e9", 1000) + `"}]}`, `{"rounds":[` + strings.Repeat("{},", 100) + `{}],"sizes":[` + strings.Repeat("{},", 2000) + `{}]}`,
		`{"rounds":[]}` + strings.Repeat(" ", 300<<10),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := durabletest.NewMem()
		if err := durable.WriteFile(disk, roundlog.Name, data); err != nil {
			t.Fatal(err)
		}
		l, err := roundlog.Read(disk)
		if err == nil && (len(l.Rounds) > roundlog.Rounds || len(l.Sizes) > roundlog.Sizes) {
			t.Errorf("%d rounds and %d sizes", len(l.Rounds), len(l.Sizes))
		}
		for i := 0; err == nil && i < len(l.Rounds); i++ {
			if r := &l.Rounds[i]; r.Count < 1 || r.Downloaded < 0 || r.Bytes < 0 || r.Failed < 0 || len(r.Result) > 500 {
				t.Errorf("%+v", r)
			}
		}
		if err == nil {
			if c := l.Growth(); c != nil && strings.Contains(c.Area+c.Line, "NaN") {
				t.Error(c)
			}
		}
		if err := roundlog.Append(disk, round(1, 7, ""), 1); err != nil {
			t.Fatal(err)
		}
		l, err = roundlog.Read(disk)
		if err != nil || len(l.Rounds) == 0 || l.Rounds[len(l.Rounds)-1].Downloaded != 7 {
			t.Errorf("after another round: %+v, %v", l, err)
		}
	})
}

// A power cut or a kill at any operation leaves the list as it was before or after.
func TestPowerCut(t *testing.T) {
	before := durabletest.NewMem()
	if err := roundlog.Append(before, round(1, 1, ""), 1); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for n, done := 1, false; !done; n++ {
		disk := before.Kill()
		cut := durabletest.FailAt(disk, n, errors.New("cut"), true, n%2 == 0)
		done = roundlog.Append(cut, round(2, 2, ""), 2) == nil
		for _, left := range []*durabletest.Mem{disk.Crash(rnd), disk.Kill()} {
			l, err := roundlog.Read(left)
			if err != nil || len(l.Rounds) != 1 && len(l.Rounds) != 2 || done && len(l.Rounds) != 2 {
				t.Errorf("seed %d, operation %d: %+v, %v", seed, n, l, err)
			}
		}
	}
}
