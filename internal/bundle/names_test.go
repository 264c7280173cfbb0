package bundle

import (
	"fmt"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestNames(t *testing.T) {
	for n, want := range map[int]string{0: "bundle-0000.tar.zst", 42: "bundle-0042.tar.zst", 12345: "bundle-12345.tar.zst"} {
		if got := FileName(n); got != want {
			t.Errorf("FileName(%d) = %s, want %s", n, got, want)
		}
		if got, err := ParseFileName(want); got != n || err != nil {
			t.Errorf("ParseFileName(%s) = %d, %v", want, got, err)
		}
	}
	for _, bad := range []string{
		"", "bundle-.tar.zst", "bundle-001.tar.zst", "bundle-00001.tar.zst", "bundle-0001.tar", "bundle-0001.tar.zst.part",
		"bundle--001.tar.zst", "bundle-+001.tar.zst", "bundle-99999999999999999999.tar.zst", "Bundle-0001.tar.zst", "x/bundle-0001.tar.zst",
	} {
		if n, err := ParseFileName(bad); err == nil {
			t.Errorf("ParseFileName(%q) = %d", bad, n)
		}
	}
}

func TestOverhead(t *testing.T) {
	m := durabletest.NewMem()
	w, err := Create(m, FileName(0))
	must(t, err)
	var members int64
	for n := range 3 {
		f, err := Encode(nil, crate.ID{Name: "a", Version: fmt.Sprintf("1.0.%d", n)}, []byte("some bytes"))
		must(t, err)
		at, err := w.Append(f)
		must(t, err)
		members += at.FrameSize
	}
	sum, err := w.Finish()
	must(t, err)
	must(t, w.Publish())
	if got := Overhead(3); got != sum.FileSize-members {
		t.Errorf("bundle.Overhead is %d, a bundle of %d bytes has %d of members", got, sum.FileSize, members)
	}
}
