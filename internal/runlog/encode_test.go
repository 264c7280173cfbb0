package runlog

import (
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// full is a record whose fields all have the same text.
func full(text string, number int64) *Record {
	return &Record{
		SchemaVersion: SchemaVersion, URL: text, Path: text, Storage: text, BundlePath: text, BundleMember: text, Size: number,
		SHA256: text, StartedAt: text, FinishedAt: text, OK: number%2 == 0, Error: text, Retries: int(number), Status: text,
		Crate: text, Version: text, Replaces: text, Prev: text,
	}
}

// FuzzEncode: a line is what an encoder writes that goes by the fields' tags.
func FuzzEncode(f *testing.F) {
	for i, text := range []string{"", "serde", `C:\crates\a`, "<a href=\"x\">&'", "\x00\x1f\x7f\t\r\n\b\f", "ben\xf6tigt", "Zürich \u2028\u2029 \U0001f980", "\xff"} {
		f.Add(text, int64(i)-2)
	}
	f.Fuzz(func(t *testing.T, text string, number int64) {
		r := full(text, number)
		want, err := json.Marshal(r, jsontext.AllowInvalidUTF8(true))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(r.appendTo(nil, text))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestRecordIsFull: full fills in a field that is added to Record, or FuzzEncode would not
// see that the encoder lacks it.
func TestRecordIsFull(t *testing.T) {
	r := reflect.ValueOf(*full("x", 2))
	for i := range r.NumField() {
		if r.Field(i).IsZero() {
			t.Errorf("%s is empty", r.Type().Field(i).Name)
		}
	}
}

// BenchmarkAppend writes what a run writes of a version that it holds already.
func BenchmarkAppend(b *testing.B) {
	r := Record{
		URL: "https://static.crates.io/crates/serde/serde-1.0.0.crate", Storage: Bundle, BundlePath: "/srv/mirror/bundles/bundle-0001.tar.zst",
		BundleMember: "s/se/serde/serde-1.0.0.crate", Size: 12345, SHA256: strings.Repeat("ab", 32),
		StartedAt: "2026-11-28T09:00:00.000Z", FinishedAt: "2026-11-28T09:00:00.000Z", OK: true, Status: Existing, Crate: "serde", Version: "1.0.0",
	}
	w := &Writer{}
	for b.Loop() {
		w.buf = w.buf[:0]
		w.encode(&r)
	}
	b.SetBytes(int64(len(w.buf)))
}
