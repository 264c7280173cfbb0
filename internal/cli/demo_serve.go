package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/doctor"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// demoDirs are the folders of the demo's mirror.
func demoDirs(job *downloadConfig) *dirs {
	return &dirs{job.home}
}

// demoServed asks a server of the mirror for everything, and has the real cargo
// build from it where there is one.
func (a *App) demoServed(ctx context.Context, reg *simreg.Registry, d *dirs) (err error) {
	log := (&logConfig{"text", "warn"}).logger(a.Stderr)
	l, err := serveLocal(ctx, d, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	fmt.Fprintf(a.Stdout, "5. Serving it straight from the bundles, and asking for every version as cargo does\n\n")
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	for _, id := range reg.IDs() {
		if err := askForVersion(ctx, client, l.url, reg, id); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.Stdout, "%d of %d index lines are those of the registry, byte for byte, and lead to its bytes\n\n", reg.Len(), reg.Len())
	return a.demoCargo(ctx, l.url)
}

// demoCargo lets the real cargo use the server.
func (a *App) demoCargo(ctx context.Context, url string) error {
	fmt.Fprintf(a.Stdout, "6. Letting the real cargo use it\n\n")
	release, text, err := doctor.CargoRelease(ctx)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Fprintf(a.Stdout, "there is no cargo here\n\n")
		return nil
	case err != nil: // a rustup without a toolchain
		fmt.Fprintf(a.Stdout, "there is no cargo here that works: %v\n\n", err)
		return nil
	case !doctor.CanUseSparse(release):
		fmt.Fprintf(a.Stdout, "%s is too old for a sparse registry\n\n", text)
		return nil
	}
	if err := a.examine(ctx, doctor.Config{URL: url, NoProxy: true}); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout)
	return nil
}

// askForVersion wants the registry's line and the registry's bytes.
func askForVersion(ctx context.Context, client *http.Client, url string, reg *simreg.Registry, id crate.ID) error {
	line, err := reg.Entry(id)
	if err != nil {
		return err
	}
	want, err := reg.CrateBytes(id)
	if err != nil {
		return err
	}
	lines, err := askServer(ctx, client, url+"/index/"+crate.IndexPath(id.Name))
	if err != nil {
		return err
	}
	if !bytes.Contains(append([]byte("\n"), lines...), fmt.Appendf(nil, "\n%s\n", line)) {
		return verdict.Integrityf("%s: the server does not give out its line as the registry has it", id)
	}
	got, err := askServer(ctx, client, url+"/crates/"+id.Name+"/"+id.Version+"/download")
	if err == nil && !bytes.Equal(got, want) {
		err = verdict.Integrityf("%s: the server gives out other bytes than the registry", id)
	}
	return err
}

func askServer(ctx context.Context, client *http.Client, url string) ([]byte, error) {
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

// demoServe serves the mirror until somebody stops it.
func (a *App) demoServe(ctx context.Context, d *dirs) error {
	addr, err := demoAddr()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "\nNow it is served: http://%s shows it to you, and these lines to cargo. Ctrl-C stops.\n\n", addr)
	return a.serve(ctx, &serveConfig{dirs: *d, listen: addr, cacheMB: 16, log: logConfig{"text", "warn"}})
}

// demoAddr is serve's own address, if that is free, or one that is.
func demoAddr() (string, error) {
	for _, addr := range []string{"127.0.0.1:8080", "127.0.0.1:0"} {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no port of 127.0.0.1 is free")
}
