package deflate

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var crates = flag.String("crates", "", "a directory with .crate files, as $CARGO_HOME/registry/cache, whose streams are identified")

// TestRealCrates checks that each crate is a stream of one of the encoders.
func TestRealCrates(t *testing.T) {
	if *crates == "" {
		t.Skip("no -crates")
	}
	sum, unpacked, took := map[Encoder]int{}, 0, time.Duration(0)
	err := filepath.WalkDir(*crates, func(file string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".crate") {
			return err
		}
		src, stream := unpack(t, file)
		began := time.Now()
		e, ok, err := Identify(t.Context(), src, stream)
		took += time.Since(began)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		t.Logf("%s\t%s", filepath.Base(file), e)
		unpacked += len(src)
		if ok {
			sum[e]++
		} else {
			sum[0]++
			t.Errorf("%s: no encoder makes this", file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v; %.1f MB/s", sum, float64(unpacked)/1e6/took.Seconds())
}

// unpack returns the tar of a .crate and its raw deflate stream.
func unpack(t *testing.T, file string) (src, stream []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if src, err = io.ReadAll(z); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	head := 10 // RFC 1952; of the optional fields, cargo writes only a name
	if z.Name != "" {
		head += len(z.Name) + 1
	}
	return src, data[head : len(data)-8]
}
