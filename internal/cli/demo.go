package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// demoConfig is the flags of demo.
type demoConfig struct {
	dir  string
	once bool
}

func demoCommand(a *App) *cli.Command {
	var cfg demoConfig
	return &cli.Command{
		Name:  "demo",
		Usage: "show the whole pipeline on a little registry of its own, without network",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "mirror into `DIR`, which must not exist or be empty; default: a new folder for temporary files", Destination: &cfg.dir, TakesFile: true},
			&cli.BoolFlag{Name: "once", Usage: "end after the checks, as without a terminal; otherwise the demo ends by serving the mirror", Destination: &cfg.once},
		},
		OnUsageError: onUsageError,
		Action:       action(nothing, func(ctx context.Context) error { return a.demo(ctx, &cfg) }),
	}
}

const (
	demoSeed  = 2026 // of the faults: every demo meets the same
	demoShare = 0.1  // of the versions, whose first request goes wrong

	demoBundle = 128 << 10 // bytes of a bundle, so that there are several
)

// demo simulates a registry and mirrors it, twice, and checks the outcome by
// other means than the mirror's own: what lies on the disk, and what its server
// gives out.
func (a *App) demo(ctx context.Context, cfg *demoConfig) error {
	dir, err := demoDir(cfg.dir)
	if err != nil {
		return err
	}
	reg := simreg.Demo()
	// StallBody is cut by a watchdog, which the demo sets to a second.
	kinds := append(simreg.Brief(), simreg.GzipEncoding, simreg.StallBody)
	reg.Chaos(demoSeed, demoShare, kinds...)
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	if a.Dial == nil {
		a.Dial = simreg.LoopbackOnly
	}
	job := demoJob(dir, server.BaseURL)
	if err := job.origin.check(); err != nil {
		return err
	}
	if err := writeDemoIndex(ctx, reg, job.indexDir); err != nil {
		return err
	}

	fmt.Fprintf(a.Stdout, "A registry of %d versions is simulated at %s.\nOne request in ten will go wrong.\n\n", reg.Len(), server.BaseURL)
	fmt.Fprintf(a.Stdout, "1. Mirroring it into %s\n\n", job.home.Crates)
	if err := a.demoRun(ctx, job); err != nil {
		return err
	}
	wrong, which := faultsMet(reg, kinds)
	fmt.Fprintf(a.Stdout, "%12d  requests that went wrong and were made again:\n              %s\n\n", wrong, which)

	before := reg.TotalRequests()
	fmt.Fprintf(a.Stdout, "2. Mirroring again\n\n")
	if err := a.demoRun(ctx, job); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%12d  requests made\n\n", reg.TotalRequests()-before)

	before = reg.TotalRequests()
	fmt.Fprintf(a.Stdout, "3. Moving it into bundles, in %s\n\n", job.home.Bundles)
	job.bundle = true
	if a.BundleSize == 0 {
		a.BundleSize = demoBundle
	}
	if err := a.demoRun(ctx, job); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%12d  requests made\n\n", reg.TotalRequests()-before)

	fmt.Fprintf(a.Stdout, "4. Reading the bundles from end to end, and checking every crate against the registry\n\n")
	bundles, err := checkDemo(reg, job.home.Bundles)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%d of %d crates in %d bundles have the checksum that the index names\n\n", reg.Len(), reg.Len(), bundles)
	d := demoDirs(job)
	if err := a.demoServed(ctx, reg, d); err != nil {
		return err
	}
	if err := a.demoLeft(job); err != nil || cfg.once || !console.IsTerminal(a.Stdout) {
		return err
	}
	return a.demoServe(ctx, d)
}

// demoLeft says what the demo leaves behind.
func (a *App) demoLeft(job *downloadConfig) error {
	fmt.Fprintf(a.Stdout, "What there is to see now:\n")
	table := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  %s\tthe crates: tar --zstd -tf lists a bundle\n", job.home.Bundles)
	fmt.Fprintf(table, "  %s\twhat happened to each, one line of JSON a version\n", job.home.Manifest)
	fmt.Fprintf(table, "  %s\twhat is held; any SQLite client opens it\n", job.home.Catalog())
	return table.Flush()
}

// demoRun is one run of the download command.
func (a *App) demoRun(ctx context.Context, cfg *downloadConfig) error {
	show, log := a.terminal(&cfg.progress, &cfg.log)
	ix, err := index.Open(ctx, cfg.indexDir, index.Options{Log: log})
	if err != nil {
		return err
	}
	defer ix.Close()
	job := cfg.job(plan.FromIndex(ix, nil), log)
	job.IncludeYanked = true
	return a.mirror(ctx, &cfg.runConfig, job, show)
}

// demoJob is the command line of the demo's runs.
func demoJob(dir, baseURL string) *downloadConfig {
	d := home.Dirs{Root: dir}
	d.Fill()
	return &downloadConfig{
		indexDir: d.Index,
		runConfig: runConfig{
			home: d, origin: originConfig{base: baseURL}, durability: "batch", bundleMode: "only", bundleSizeGB: 1, secondPass: time.Second,
			log: logConfig{"text", "warn"},
			net: netConfig{
				concurrency: 16, timeoutSeconds: 30, attempts: 6, maxFileMB: 16, protocol: "auto",
				retryBase: 50 * time.Millisecond, retryMax: time.Second, stall: time.Second,
			},
		},
	}
}

// demoDir returns an empty folder.
func demoDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "clonecratesio-demo-")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = usagef("%s is not empty: give the demo a folder of its own", dir)
	}
	return dir, err
}

// writeDemoIndex makes the index a git repository, as crates.io's is, where
// there is git.
func writeDemoIndex(ctx context.Context, reg *simreg.Registry, dir string) error {
	_, err := exec.LookPath("git")
	if err != nil {
		return reg.WriteIndex(dir)
	}
	_, err = reg.CommitIndex(ctx, dir, "Demo registry")
	return err
}

// faultsMet counts the requests that went wrong, by kind.
func faultsMet(reg *simreg.Registry, kinds []simreg.Kind) (total int, list string) {
	var met []string
	for _, k := range kinds {
		if n := reg.Injected(k); n > 0 {
			total += n
			met = append(met, fmt.Sprintf("%d %s", n, k))
		}
	}
	return total, strings.Join(met, ", ")
}

// checkDemo reads all bundles as any program would that knows tar and zstd, and
// wants every crate of the registry in one of them.
func checkDemo(reg *simreg.Registry, dir string) (bundles int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+bundle.Ext))
	if err != nil {
		return 0, err
	}
	found := map[crate.ID]crate.Checksum{}
	for _, name := range names {
		if err := readDemoBundle(name, found); err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	for _, id := range reg.IDs() {
		want, err := reg.Checksum(id)
		if err != nil {
			return 0, err
		}
		if got, ok := found[id]; !ok || got != want {
			return 0, verdict.Integrityf("%s: no bundle has it with the checksum that the index names", id)
		}
	}
	return len(names), nil
}

func readDemoBundle(name string, found map[crate.ID]crate.Checksum) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for e, err := range bundle.Scan(f, info.Size()) {
		if err != nil {
			return err
		}
		if found[e.ID], _, err = crate.Hash(e); err != nil {
			return err
		}
	}
	return nil
}
