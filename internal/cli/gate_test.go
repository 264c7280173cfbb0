package cli

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// About a second after a version is blocked in a bucket, no replica serves it.
func TestReplicasSeeBlocks(t *testing.T) {
	b, address := folderBucket(t)
	replicatest.New(t, b, "foo 1.0.0")
	replicas := []*served{startServing(t, replicaConfig(t, address)), startServing(t, replicaConfig(t, address))}
	app := &App{}
	app.Stdout, app.Stderr = io.Discard, os.Stderr
	run := func(args ...string) {
		t.Helper()
		if code := app.Run(Root, append([]string{"clonecratesio"}, args...)); code != 0 {
			t.Fatalf("%v ends with %d", args, code)
		}
	}
	await := func(s *served, status int) {
		t.Helper()
		begin := time.Now()
		for {
			code, text := s.get(t, "/crates/foo/1.0.0/download")
			if code == status {
				break
			}
			if time.Since(begin) > 5*time.Second {
				t.Fatalf("after %v: %d %s", time.Since(begin), code, text)
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Logf("%d after %v", status, time.Since(begin))
	}
	for _, s := range replicas {
		await(s, http.StatusOK)
	}
	run("block", "foo@1.0.0", "-store", address, "-reason", "stolen token")
	for _, s := range replicas {
		await(s, http.StatusForbidden)
		if code, text := s.get(t, "/index/3/f/foo"); code != http.StatusNotFound || !strings.Contains(text, "stolen token") {
			t.Errorf("its line: %d %s", code, text)
		}
	}
	run("unblock", "foo@1.0.0", "-store", address)
	for _, s := range replicas {
		await(s, http.StatusOK)
	}
}

// The server accepts client certificates of the authority, and no others.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	mirrorDemo(t, simreg.New(simreg.MustParse("foo 1.0.0\n")...), dir, false)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"server", "client", "other"} {
		writeCertificate(t, at(name+".pem"), at(name+".key"))
	}
	cfg := serveConfigOf(dir)
	cfg.TLS.Cert, cfg.TLS.Key, cfg.Access.ClientCA = at("server.pem"), at("server.key"), at("client.pem")
	s := startServing(t, cfg)
	url := strings.SplitN(strings.SplitN(s.lines, "sparse+", 2)[1], "\"", 2)[0] + "3/f/foo"
	for name, want := range map[string]int{"client": http.StatusOK, "": http.StatusUnauthorized, "other": 0} {
		config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // it is the client that is tested
		if name != "" {
			pair, err := tls.LoadX509KeyPair(at(name+".pem"), at(name+".key"))
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		resp, err := c.Get(url)
		got := 0
		if err == nil {
			got = resp.StatusCode
			resp.Body.Close()
		}
		if got != want {
			t.Errorf("with the certificate %q: %d, want %d: %v", name, got, want, err)
		}
	}
}
