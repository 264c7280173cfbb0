package bundle

import (
	"fmt"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestNames(t *testing.T) {
	for n, want := range map[Name]string{
		{Number: 0}: "bundle-0000.tar.zst", {Number: 42}: "bundle-0042.tar.zst", {Number: 12345}: "bundle-12345.tar.zst",
		{crate.Shard{Index: 3, Of: 8}, 42}:            "bundle-s3of8-0042.tar.zst",
		{crate.Shard{Index: 1023, Of: 1024}, 9999999}: "bundle-s1023of1024-9999999.tar.zst",
	} {
		if got := n.String(); got != want {
			t.Errorf("%+v is %s, want %s", n, got, want)
		}
		if got, err := ParseFileName(want); got != n || err != nil {
			t.Errorf("ParseFileName(%s) = %+v, %v", want, got, err)
		}
		if got, rest, ok := CutName(n.Stem() + "-a-to-s1of2-b.manifest.jsonl"); got != n || rest != "-a-to-s1of2-b.manifest.jsonl" || !ok {
			t.Errorf("CutName of a manifest of %s = %+v, %q, %v", want, got, rest, ok)
		}
	}
	for _, bad := range []string{
		"", "bundle-.tar.zst", "bundle-001.tar.zst", "bundle-00001.tar.zst", "bundle-0001.tar", "bundle-0001.tar.zst.part",
		"bundle--001.tar.zst", "bundle-+001.tar.zst", "bundle-99999999999999999999.tar.zst", "Bundle-0001.tar.zst", "x/bundle-0001.tar.zst",
		"bundle-s3of8.tar.zst", "bundle-s3of8-.tar.zst", "bundle-s3of8-001.tar.zst", "bundle-s8of8-0001.tar.zst", "bundle-s0of1-0001.tar.zst",
		"bundle-s03of8-0001.tar.zst", "bundle-s3of1025-0001.tar.zst", "bundle-s3of8of9-0001.tar.zst", "bundle-S3of8-0001.tar.zst",
		"bundle-3of8-0001.tar.zst", "bundle-s3/8-0001.tar.zst", "bundle-s-0001.tar.zst", "bundle-s3of8-s3of8-0001.tar.zst",
	} {
		if n, err := ParseFileName(bad); err == nil {
			t.Errorf("ParseFileName(%q) = %+v", bad, n)
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
