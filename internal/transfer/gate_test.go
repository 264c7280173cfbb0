package transfer

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// What a medium says that builds should not see is taken whole or not at all.
func TestReadGate(t *testing.T) {
	for data, want := range map[string]string{
		`{"blocks":{},"policies":[{"name":"a","text":"x"},{"name":"b","text":""}]}`: "",
		`{"blocks":{},"policies":[]}`:                                                               "",
		`{"policies":[]}`:                                                                           "without blocks",
		`{"blocks":{},"policies":[],"more":1}`:                                                      "unknown",
		`{"blocks":{},"policies":[{"name":"../a","text":""}]}`:                                      "no name of a policy",
		`{"blocks":{},"policies":[{"name":"a","text":""},{"name":"a","text":""}]}`:                  "twice",
		`{"blocks":{},"policies":[{"name":"a","text":"` + strings.Repeat("x", maxPolicy+1) + `"}]}`: "more than",
		`{"blocks":{}`: "unexpected EOF",
	} {
		_, err := ReadGate(strings.NewReader(data))
		if want == "" && err == nil {
			continue
		}
		if !errors.Is(err, ErrFormat) || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", data, err, want)
		}
	}
}

func FuzzGate(f *testing.F) {
	f.Add([]byte(`{"blocks":{"format":1},"policies":[{"name":"a","text":"x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ReadGate(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := g.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadGate(bytes.NewReader(again)); err != nil {
			t.Fatalf("%q was written as %q: %v", data, again, err)
		}
	})
}
