package sparse_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// A look at an unchanged index, 10,000 conditional requests over HTTP/2 on loopback,
// beside curl with the same:
//
//	go test -run - -bench Look -benchtime 3x ./internal/index/sparse
func BenchmarkLook(b *testing.B) {
	const crates = 10_000
	name := func(i int) string { return fmt.Sprintf("crate%05d", i) }
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file := path.Base(r.URL.Path)
		w.Header().Set("ETag", `"`+file+`"`)
		switch {
		case file == "config.json":
			io.WriteString(w, `{"dl":"https://x.example"}`)
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		default:
			io.WriteString(w, line(file, "1.0.0"))
		}
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()

	b.Run("ours", func(b *testing.B) {
		up, err := upstream.New(upstream.Config{HTTP: "best", TLS: &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}})
		if err != nil {
			b.Fatal(err)
		}
		defer up.Close()
		c, err := sparse.New(srv.URL+"/", up)
		if err != nil {
			b.Fatal(err)
		}
		o := &sparse.Observer{Client: c, Parallel: 128, Lists: []sparse.List{func(_ context.Context, fn func(string) error) (time.Time, error) {
			for i := range crates {
				if err := fn(name(i)); err != nil {
					return time.Time{}, err
				}
			}
			return time.Time{}, nil
		}}}
		cfg := clone.Config{Dir: filepath.Join(b.TempDir(), "index"), Carried: o.Bring}
		if _, err := clone.Update(b.Context(), cfg); err != nil {
			b.Fatal(err)
		}
		o.Lists = nil
		for b.Loop() {
			if _, err := clone.Update(b.Context(), cfg); err != nil {
				b.Fatal(err)
			}
		}
		if r := o.Last(); r.Asked != crates || r.Changed != 0 {
			b.Fatalf("%+v", r)
		}
	})
	b.Run("curl", func(b *testing.B) {
		if _, err := exec.LookPath("curl"); err != nil {
			b.Skip("there is no curl")
		}
		dir := b.TempDir()
		ca := filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
			b.Fatal(err)
		}
		var cfg strings.Builder
		for i := range crates {
			fmt.Fprintf(&cfg, "url = %q\noutput = \"/dev/null\"\nheader = \"If-None-Match: \\\"%s\\\"\"\ncacert = %q\nsilent\nhttp2\n", srv.URL+"/"+crate.IndexPath(name(i)), name(i), ca)
			if i < crates-1 {
				cfg.WriteString("next\n")
			}
		}
		file := filepath.Join(dir, "curlrc")
		if err := os.WriteFile(file, []byte(cfg.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			cmd := exec.Command("curl", "--parallel", "--parallel-max", "128", "--config", file)
			var said bytes.Buffer
			cmd.Stderr = &said
			if err := cmd.Run(); err != nil {
				b.Fatal(err, said.String())
			}
		}
	})
}
