package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
)

// folderBucket is a bucket in a folder, and its address.
func folderBucket(t *testing.T) (bucket.Bucket, string) {
	t.Helper()
	dir := t.TempDir()
	b, err := bucket.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b, b.String()
}

// replicaConfig returns the configuration of serve -store.
func replicaConfig(t *testing.T, address string) *servecli.Config {
	t.Helper()
	cfg := serveConfigOf(filepath.Join(t.TempDir(), "replica"))
	cfg.Store, cfg.FetchedCacheGB = flags.Store{URL: address}, 1
	return cfg
}

// get returns the answer of a server.
func (s *served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, regexp.MustCompile(`http://[^/]+`).FindString(s.lines)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// A replica that has something to serve starts while its bucket is away; package replica
// says how it continues.
func TestReplicaStartsWhileBucketIsAway(t *testing.T) {
	b, address := folderBucket(t)
	replicatest.New(t, b, "foo 1.0.0")
	cfg := replicaConfig(t, address)
	t.Run("there", func(t *testing.T) {
		if code, _ := startServing(t, cfg).get(t, "/crates/foo/1.0.0/download"); code != 200 {
			t.Errorf("status %d", code)
		}
	})
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	cfg.Store.URL = "s3://nowhere/mirror?endpoint=http://127.0.0.1:1"
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := cfg.OpenStore(ctx, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	cfg.Dirs.Dirs = replicaConfig(t, address).Dirs.Dirs
	if _, err := cfg.OpenStore(ctx, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("one that has nothing to serve does not say that its bucket is away")
	}
}

// A replica shows what has come into the bucket within two seconds, and serves it.
func TestReplicaFollows(t *testing.T) {
	b, address := folderBucket(t)
	p := replicatest.New(t, b, "foo 1.0.0")
	s := startServing(t, replicaConfig(t, address))
	best := time.Hour
	for n := 1; n <= 3 && best > 2*time.Second; n++ { // the machine may be busy
		version := fmt.Sprintf("1.%d.0", n)
		p.Publish("foo " + version)
		begin := time.Now()
		for {
			if _, lines := s.get(t, "/index/3/f/foo"); strings.Contains(lines, version) {
				break
			}
			if time.Since(begin) > 20*time.Second {
				t.Fatalf("foo %s is not shown:\n%s", version, &s.log)
			}
			time.Sleep(20 * time.Millisecond)
		}
		best = min(best, time.Since(begin))
		code, data := s.get(t, "/crates/foo/"+version+"/download")
		want, err := p.Reg.CrateBytes(crate.ID{Name: "foo", Version: version})
		if code != 200 || err != nil || data != string(want) {
			t.Errorf("foo %s: %d, %d bytes, want %d; %v", version, code, len(data), len(want), err)
		}
	}
	t.Logf("shown after %v", best)
	if best > 2*time.Second {
		t.Errorf("a new root was shown after %v at best, want 2 s", best)
	}
}
