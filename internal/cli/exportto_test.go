package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The real cargo builds from a bucket of a real S3 server, through an ordinary web server on
// the bucket's folder, and sees what the next export adds.
func TestCargoBuildsFromABucket(t *testing.T) {
	durabletest.Seldom(t, 3)
	needCargo(t)
	n, s3 := newNginx(t), buckettest.StartVersity(t)
	dir := t.TempDir()
	reg := simreg.Demo()
	mirrorDemo(t, reg, dir, true)
	base := n.url("http") + "/rust"
	args := []string{"-mirror", dir, "-to", s3.Address("rust"), "-public-url", base}
	lines := runExportWith(t, args...)
	n.start(fmt.Sprintf("location /rust/ { alias %s/rust/; }", s3.Dir), "")

	c := &cargo{t: t, dir: t.TempDir()}
	c.write("home/config.toml", lines)
	c.write("app/Cargo.toml", exportedApp)
	c.write("app/src/lib.rs", "")
	c.run("app", "build")
	for _, id := range reg.IDs() {
		want, err := reg.CrateBytes(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{id.FileName(), url.PathEscape(id.FileName()), strings.ReplaceAll(id.FileName(), "+", "%20")} {
			code, got := fetchURL(t, http.DefaultClient, base+"/crates/"+id.Name+"/"+name)
			if code != http.StatusOK || got != string(want) {
				t.Errorf("%s: %d, %d bytes, want %d", name, code, len(got), len(want))
			}
		}
	}
	reg.Add(simreg.MustParse("a 1.0.2")...)
	mirrorDemo(t, reg, dir, true)
	runExportWith(t, args...)
	c.run("app", "update")
	if lock := c.read("app/Cargo.lock"); !strings.Contains(lock, `version = "1.0.2"`) {
		t.Errorf("a 1.0.2 is not resolved:\n%s", lock)
	}
}
