package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// CheckServer requests every version from the server of a mirror.
func (r *Registry) CheckServer(ctx context.Context, url string) error {
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	for _, id := range r.IDs() {
		if err := CheckVersion(ctx, client, url, r.Registry, id); err != nil {
			return err
		}
	}
	return nil
}

// CheckVersion checks that a server has the registry's line and bytes of a version.
func CheckVersion(ctx context.Context, client *http.Client, url string, reg *simreg.Registry, id crate.ID) error {
	line, err := reg.Entry(id)
	if err != nil {
		return err
	}
	want, err := reg.CrateBytes(id)
	if err != nil {
		return err
	}
	lines, err := get(ctx, client, url+"/index/"+crate.IndexPath(id.Name))
	if err != nil {
		return err
	}
	if !bytes.Contains(append([]byte("\n"), lines...), fmt.Appendf(nil, "\n%s\n", line)) {
		return verdict.Integrityf("%s: the server's index line differs from the registry's", id)
	}
	got, err := get(ctx, client, url+"/crates/"+id.Name+"/"+id.Version+"/download")
	if err == nil && !bytes.Equal(got, want) {
		err = verdict.Integrityf("%s: the server sends other bytes than the registry", id)
	}
	return err
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("asking the demo's server for %s: %s", url, resp.Status)
	}
	return body, err
}
