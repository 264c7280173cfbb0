package cli

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/demo"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The demo ends by serving, at the address that it prints, until it is stopped.
func TestDemoServes(t *testing.T) {
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse("foo 1.0.0")...)
	mirrorDemo(t, reg, dir, true)
	d := &flags.Dirs{Dirs: home.Dirs{Root: dir}}
	d.Fill()
	r, w := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := (&App{program.App{Stdout: w, Stderr: io.Discard}}).demoServe(ctx, d)
		w.CloseWithError(err)
		done <- err
	}()
	var said strings.Builder
	for !strings.Contains(said.String(), "index = ") {
		buf := make([]byte, 4<<10)
		n, err := r.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, &said)
		}
	}
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(said.String())
	code, body := fetchURL(t, http.DefaultClient, url)
	if code != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("the page at %s: %d %.100q", url, code, body)
	}
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	if err := demo.CheckVersion(ctx, client, url, reg, crate.ID{Name: "foo", Version: "1.0.0"}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The demo's check fails if the server has other bytes than the registry, or lacks a version.
func TestDemoAsksForBytes(t *testing.T) {
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse("foo 1.0.0")...)
	mirrorDemo(t, reg, dir, false)
	d := &flags.Dirs{Dirs: home.Dirs{Root: dir}}
	d.Fill()
	l, err := registry.ServeLocal(t.Context(), &d.Dirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	id := crate.ID{Name: "foo", Version: "1.0.0"}
	reg.ReplaceBytes(id)
	if err := demo.CheckVersion(t.Context(), http.DefaultClient, l.URL, reg, id); err == nil || program.ExitCode(err) != program.ExitIntegrity {
		t.Errorf("other bytes than the registry has: %v", err)
	}
	reg.Add(simreg.MustParse("bar 1.0.0")...)
	if err := demo.CheckVersion(t.Context(), http.DefaultClient, l.URL, reg, crate.ID{Name: "bar", Version: "1.0.0"}); err == nil {
		t.Error("a crate that is not served is not missed")
	}
}
