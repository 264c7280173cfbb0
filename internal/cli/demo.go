package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/airgapcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/demo"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/doctor"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
)

// demoConfig holds the flags of demo.
type demoConfig struct {
	dir    string
	once   bool
	airgap bool
}

func demoCommand(a *App) *cli.Command {
	var cfg demoConfig
	return &cli.Command{
		Name:  "demo",
		Usage: "mirror and serve a simulated registry, without network",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "mirror into `DIR`, which must not exist or must be empty; default: a new temporary folder", Destination: &cfg.dir, TakesFile: true},
			&cli.BoolFlag{Name: "once", Usage: "stop after the checks instead of serving the mirror, as without a terminal", Destination: &cfg.once},
			&cli.BoolFlag{Name: "airgap", Usage: "show how to carry a mirror across an air gap instead (docs/Airgap-Guide.md)", Destination: &cfg.airgap},
		},
		OnUsageError: program.OnUsageError,
		Action:       program.Action(program.Nothing, func(ctx context.Context) error { return a.demo(ctx, &cfg) }),
	}
}

// demo mirrors a simulated registry, first as files and then in bundles. Independently of the
// mirror's own code, it compares the bundles and the server's responses with the registry.
func (a *App) demo(ctx context.Context, cfg *demoConfig) error {
	dir, err := demo.EmptyDir(cfg.dir)
	if errors.Is(err, demo.ErrNotEmpty) {
		err = flags.Usagef("%s is not empty: give the demo a folder of its own", cfg.dir)
	}
	if err != nil {
		return err
	}
	reg, err := demo.Start()
	if err != nil {
		return err
	}
	defer reg.Close()
	if a.Dial == nil {
		a.Dial = demo.Dial
	}
	if cfg.airgap {
		return a.demoAirgap(ctx, reg, dir)
	}
	job := demoJob(dir, reg.BaseURL)
	if err := job.Origin.Check(); err != nil {
		return err
	}
	if err := reg.PublishIndex(ctx, job.indexDir); err != nil {
		return err
	}

	fmt.Fprintf(console.Wrap(a.Stdout), "A registry of %d versions is simulated at %s.\nOne request in ten will go wrong.\n\n", reg.Len(), reg.BaseURL)
	fmt.Fprintf(console.Wrap(a.Stdout), "1. Mirroring it into %s\n\n", job.Home.Crates)
	if err := a.demoRun(ctx, job); err != nil {
		return err
	}
	wrong, which := reg.FaultsMet()
	fmt.Fprintf(console.Wrap(a.Stdout), "%12d  requests that went wrong and were made again:\n              %s\n\n", wrong, which)

	before := reg.TotalRequests()
	fmt.Fprintf(console.Wrap(a.Stdout), "2. Mirroring again\n\n")
	if err := a.demoRun(ctx, job); err != nil {
		return err
	}
	fmt.Fprintf(console.Wrap(a.Stdout), "%12d  requests made\n\n", reg.TotalRequests()-before)

	before = reg.TotalRequests()
	fmt.Fprintf(console.Wrap(a.Stdout), "3. Moving it into bundles, in %s\n\n", job.Home.Bundles)
	job.Bundle = true
	if a.BundleSize == 0 {
		a.BundleSize = demo.BundleSize
	}
	if err := a.demoRun(ctx, job); err != nil {
		return err
	}
	fmt.Fprintf(console.Wrap(a.Stdout), "%12d  requests made\n\n", reg.TotalRequests()-before)

	fmt.Fprintf(console.Wrap(a.Stdout), "4. Reading the bundles from end to end, and checking every crate against the registry\n\n")
	bundles, err := reg.CheckBundles(job.Home.Bundles)
	if err != nil {
		return err
	}
	fmt.Fprintf(console.Wrap(a.Stdout), "%d of %d crates in %d bundles have the checksum that the index names\n\n", reg.Len(), reg.Len(), bundles)
	d := &flags.Dirs{Dirs: job.Home}
	if err := a.demoServed(ctx, reg, d); err != nil {
		return err
	}
	if err := demo.PrintLeft(console.Wrap(a.Stdout), &job.Home); err != nil || cfg.once || !console.IsTerminal(a.Stdout) {
		return err
	}
	return a.demoServe(ctx, d)
}

// demoRun mirrors the simulated registry once, as the download command does.
func (a *App) demoRun(ctx context.Context, cfg *downloadConfig) error {
	show, log := cfg.Progress.Terminal(a.Stderr, &cfg.Log)
	ix, err := index.Open(ctx, cfg.indexDir, index.Options{Log: log})
	if err != nil {
		return err
	}
	defer ix.Close()
	job := cfg.Job(plan.FromIndex(ix, nil), log)
	job.IncludeYanked = true
	return a.mirror(ctx, &cfg.Run, job, show)
}

// demoJob returns the flags of the demo's runs: mirror the registry at baseURL into dir.
func demoJob(dir, baseURL string) *downloadConfig {
	d := home.Dirs{Root: dir}
	d.Fill()
	return &downloadConfig{
		indexDir: d.Index,
		Run: flags.Run{
			Home: d, Origin: flags.Origin{Base: baseURL}, Durability: flags.Batches, BundleMode: "only", BundleSize: 1, SecondPass: time.Second,
			Log: flags.Log{Level: "warn"},
			Net: flags.Net{
				Concurrency: 16, TimeoutSeconds: 30, Attempts: 6, MaxFileMB: 16, Protocol: "auto",
				RetryBase: 50 * time.Millisecond, RetryMax: time.Second, Stall: time.Second,
			},
		},
	}
}

// demoServed starts a server of the mirror, requests everything from it, and builds with
// cargo if that is installed.
func (a *App) demoServed(ctx context.Context, reg *demo.Registry, d *flags.Dirs) (err error) {
	log := (&flags.Log{Level: "warn"}).Logger(a.Stderr)
	l, err := registry.ServeLocal(ctx, &d.Dirs, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	fmt.Fprintf(console.Wrap(a.Stdout), "5. Serving it straight from the bundles, and asking for every version as cargo does\n\n")
	if err := reg.CheckServer(ctx, l.URL); err != nil {
		return err
	}
	fmt.Fprintf(console.Wrap(a.Stdout), "%d of %d index lines are those of the registry, byte for byte, and lead to its bytes\n\n", reg.Len(), reg.Len())
	return a.demoCargo(ctx, l.URL)
}

// demoCargo builds from the server at url with cargo, if a working one is installed.
func (a *App) demoCargo(ctx context.Context, url string) error {
	fmt.Fprintf(console.Wrap(a.Stdout), "6. Letting the real cargo use it\n\n")
	release, text, err := doctor.CargoRelease(ctx)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Fprintf(console.Wrap(a.Stdout), "there is no cargo here\n\n")
		return nil
	case err != nil: // such as rustup without a toolchain
		fmt.Fprintf(console.Wrap(a.Stdout), "there is no cargo here that works: %v\n\n", err)
		return nil
	case !doctor.CanUseSparse(release):
		fmt.Fprintf(console.Wrap(a.Stdout), "%s is too old for a sparse registry\n\n", text)
		return nil
	}
	if err := a.examine(ctx, doctor.Config{URL: url, NoProxy: true}); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout)
	return nil
}

// demoServe serves the mirror on a free port until ctx ends.
func (a *App) demoServe(ctx context.Context, d *flags.Dirs) error {
	addr, err := demo.FreeAddr()
	if err != nil {
		return err
	}
	fmt.Fprintf(console.Wrap(a.Stdout), "\nNow it is served: http://%s shows it to you, and these lines to cargo. Ctrl-C stops.\n\n", addr)
	return servecli.Run(ctx, &a.App, &servecli.Config{Dirs: *d, Listen: addr, CacheMB: 16, Log: flags.Log{Level: "warn"}})
}

// demoAirgap demonstrates how to carry a mirror across an air gap.
func (a *App) demoAirgap(ctx context.Context, reg *demo.Registry, dir string) error {
	job := demoJob(filepath.Join(dir, "near"), reg.BaseURL)
	if err := job.Origin.Check(); err != nil {
		return err
	}
	d := airgapcli.Demo{App: &a.App, Registry: reg, Dir: dir, Near: job.Home, Mirror: func(ctx context.Context) error { return a.demoRun(ctx, job) }}
	return d.Run(ctx)
}
