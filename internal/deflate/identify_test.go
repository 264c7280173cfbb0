package deflate

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"testing"
)

func TestIdentify(t *testing.T) {
	r := random(40000)
	src := text(&r, 40000)
	for e := range encoders {
		stream := mustEncode(t, e, src)
		got, ok, err := Identify(t.Context(), src, stream)
		if err != nil || !ok || !bytes.Equal(mustEncode(t, got, src), stream) {
			t.Errorf("a stream of %s is identified as %s, %v, %v", e, got, ok, err)
		}
		for name, other := range map[string][]byte{
			"shorter": stream[:len(stream)-1],
			"longer":  append(bytes.Clone(stream), 0),
			"changed": append(bytes.Clone(stream[:len(stream)-1]), stream[len(stream)-1]^1),
			"empty":   nil,
		} {
			if got, ok, err := Identify(t.Context(), src, other); ok || err != nil {
				t.Errorf("a stream of %s that is %s is identified as %s, %v", e, name, got, err)
			}
		}
	}
}

func TestIdentifyTriesInOrder(t *testing.T) {
	stream := mustEncode(t, ZlibRS, nil) // of nothing, all encoders make the same stream
	for _, c := range []struct {
		try  []Encoder
		want Encoder
	}{
		{nil, ZlibRS},
		{[]Encoder{Zlib9Mem9, Zlib9Mem8}, Zlib9Mem9},
		{[]Encoder{99, Zlib9Mem8}, Zlib9Mem8},
		{[]Encoder{99}, 0},
	} {
		if got, ok, err := Identify(t.Context(), nil, stream, c.try...); got != c.want || ok != (c.want != 0) || err != nil {
			t.Errorf("%v: %s, %v, %v", c.try, got, ok, err)
		}
	}
}

// TestIdentifyEnds checks that Identify returns the error of the context, and an error for an
// input that is too long.
func TestIdentifyEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, err := Identify(ctx, nil, mustEncode(t, ZlibRS, nil)); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", ok, err)
	}
}

func mustEncode(t *testing.T, e Encoder, src []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, e, src); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzEncode checks that each encoder makes a stream that decodes to its input. The fuzzed
// unit is repeated, with a counter between, until windows slide.
func FuzzEncode(f *testing.F) {
	f.Fuzz(func(t *testing.T, unit []byte, half uint16) {
		src := fill(2*int(half), func(b []byte) []byte { return append(append(b, unit...), byte(len(b)>>8)) })
		for e := range encoders {
			stream := mustEncode(t, e, src)
			got, err := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
			if err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s: a stream of %d bytes gives back %d, %v", e, len(src), len(got), err)
			}
			if _, ok, err := Identify(t.Context(), src, stream, e); !ok || err != nil {
				t.Errorf("%s does not make the same twice: %v", e, err)
			}
		}
	})
}
