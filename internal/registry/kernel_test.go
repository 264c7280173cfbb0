package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// onDisk is a mirror whose crates are in a file, in pieces or whole.
type onDisk struct {
	*fake
	t      *testing.T
	whole  bool
	cut    int64        // bytes by which files are shorter than is said
	kernel atomic.Int64 // how often the kernel was to read one
}

func newOnDisk(t *testing.T, whole bool) *onDisk {
	f := newFake()
	f.reg = simreg.New(simreg.MustParse("foo 1.0.0\n  size 300000\nbar 1.0.0\n  size 700")...)
	return &onDisk{fake: f, t: t, whole: whole}
}

func (m *onDisk) Open(_ context.Context, id crate.ID) (*reader.File, error) {
	data := m.bytes(id)
	sum, _ := m.reg.Checksum(id)
	layout := []extent.Extent{{N: int64(len(data))}}
	file := data
	if !m.whole {
		layout = []extent.Extent{{Off: 3, N: 200}, {N: 400, Data: data[200:600]}, {Off: 205, N: int64(len(data) - 600)}}
		file = append(append(append([]byte("..."), data[:200]...), '.', '.'), data[600:]...)
	}
	dir := m.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), file[:int64(len(file))-m.cut], 0o644); err != nil {
		return nil, err
	}
	folder, err := durable.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	f, err := folder.Open("f")
	if err != nil {
		return nil, err
	}
	return &reader.File{Content: &pieces{extent.NewReader(f, layout, int64(len(data))), f, layout, &m.kernel}, ID: id, Checksum: sum}, nil
}

type pieces struct {
	extent.Reader
	file   durable.File
	layout []extent.Extent
	kernel *atomic.Int64
}

func (p *pieces) Close() error                            { return p.file.Close() }
func (p *pieces) Identity() (store.Identity, error)       { return store.Identity{}, nil }
func (p *pieces) Extents() (extent.File, []extent.Extent) { return p, p.layout }
func (p *pieces) SyscallConn() (syscall.RawConn, error) {
	p.kernel.Add(1)
	return p.file.(extent.File).SyscallConn()
}

// The kernel sends crate files, and what arrives is what was asked for, as where bytes
// are copied: over TLS.
func TestKernelSends(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := writeCertificate(t, cert, key)
	for _, whole := range []bool{true, false} {
		for _, secure := range []bool{false, true} {
			m := newOnDisk(t, whole)
			cfg, client := ServerConfig{}, &http.Client{}
			if secure {
				cfg.TLSCert, cfg.TLSKey = cert, key
				client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
			} else {
				client.Transport = &http.Transport{}
			}
			s, _ := running(t, cfg, New(Config{Mirror: m}))
			m.askForParts(t, client, s.URL(), !secure && runtime.GOOS == "linux")
			client.CloseIdleConnections()
		}
	}
}

// askForParts asks for a crate file in all ways.
func (m *onDisk) askForParts(t *testing.T, client *http.Client, url string, kernel bool) {
	t.Helper()
	foo, bar := string(m.bytes(crate.ID{Name: "foo", Version: "1.0.0"})), string(m.bytes(crate.ID{Name: "bar", Version: "1.0.0"}))
	sum, _ := m.reg.Checksum(crate.ID{Name: "foo", Version: "1.0.0"})
	for _, tt := range []struct {
		method, name, header string
		status               int
		body                 string
		sent                 bool // by the kernel
	}{
		{"GET", "foo", "", 200, foo, true},
		{"GET", "foo", "Range: bytes=100-", 206, foo[100:], true},
		{"GET", "foo", "Range: bytes=150-99999", 206, foo[150:100000], true},
		{"GET", "foo", "Range: bytes=0-9", 206, foo[:10], false},
		{"GET", "foo", "Range: bytes=0-1,5-6", 200, foo, true},
		{"GET", "foo", `If-None-Match: "` + sum.String() + `"`, 304, "", false},
		{"GET", "foo", `If-None-Match: "other"`, 200, foo, true},
		{"HEAD", "foo", "", 200, "", false},
		{"GET", "bar", "", 200, bar, false},
	} {
		before := m.kernel.Load()
		req, err := http.NewRequestWithContext(t.Context(), tt.method, url+"/crates/"+tt.name+"/1.0.0/download", nil)
		if err != nil {
			t.Fatal(err)
		}
		if name, value, ok := strings.Cut(tt.header, ": "); ok {
			req.Header.Set(name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || string(got) != tt.body {
			t.Errorf("%s %s %s: %s, %d bytes, want %d: %v", tt.method, tt.name, tt.header, resp.Status, len(got), len(tt.body), err)
		}
		if sent := m.kernel.Load() > before; sent != (tt.sent && kernel) {
			t.Errorf("%s %s %s: the kernel was to send it: %v, want %v", tt.method, tt.name, tt.header, sent, tt.sent && kernel)
		}
	}
}

// H5: a file that ends early while the kernel sends it is cut off, not ended, and told of.
func TestKernelSendsAFileThatIsCut(t *testing.T) {
	m := newOnDisk(t, true)
	m.cut = 1000
	var log bytes.Buffer
	s, stop := running(t, ServerConfig{}, New(Config{Mirror: m, Log: slog.New(slog.NewTextHandler(&log, nil))}))
	resp, err := http.Get(s.URL() + "/crates/foo/1.0.0/download")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes came, without an error", len(got))
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "foo 1.0.0") {
		t.Errorf("the log says: %s", log.String())
	}
}
