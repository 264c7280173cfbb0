package airgapcli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/demo"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
)

// A gap holds both sides of the air gap in the demo.
type gap struct {
	*Demo
	far home.Dirs
	key string // private key file
	log *slog.Logger
}

// Demo demonstrates a transfer across an air gap.
type Demo struct {
	App      *program.App
	Registry *demo.Registry
	Dir      string    // holds everything
	Near     home.Dirs // of the mirror to transfer
	// Mirror updates the mirror from the registry.
	Mirror func(ctx context.Context) error
}

// Run transfers a mirror of the demo's registry across an air gap: first all of it, then
// what is new, once with a damaged medium.
func (d *Demo) Run(ctx context.Context) error {
	if _, err := exec.LookPath("git"); err != nil {
		return fmt.Errorf("an index is carried by git: %w", err)
	}
	g := &gap{Demo: d, far: home.Dirs{Root: filepath.Join(d.Dir, "far")}, key: filepath.Join(d.Dir, "mirror.key")}
	g.log = (&flags.Log{Level: "warn"}).Logger(d.App.Stderr)
	g.far.Fill()
	reg := d.Registry
	if err := reg.PublishIndex(ctx, d.Near.Index); err != nil {
		return err
	}
	g.say("A registry of %d versions is simulated at %s.\n\n1. Mirroring it into %s\n\n", reg.Len(), reg.BaseURL, d.Near.Root)
	if err := d.Mirror(ctx); err != nil {
		return err
	}
	g.say("\n2. Making a key, and a signed transfer of all\n\n")
	if _, err := signing.NewKey(func(f durable.FS) durable.FS { return f }, g.key, "mirror.example.org"); err != nil {
		return err
	}
	if err := g.export(ctx, "medium1", Transfer{full: true, percent: 5}); err != nil {
		return err
	}
	g.say("\n3. Behind the gap, taking it into %s\n\n", g.far.Root)
	if err := errors.Join(g.take(ctx, "medium1"), g.check(ctx)); err != nil {
		return err
	}
	g.say("\n4. Something is published, mirrored, and what is new is carried; a bit of it flips on the way\n\n")
	reg.Publish("demo-airgap")
	if err := errors.Join(reg.PublishIndex(ctx, d.Near.Index), d.Mirror(ctx), g.export(ctx, "medium2", Transfer{since: "last"})); err != nil {
		return err
	}
	mend, err := demo.FlipBit(filepath.Join(d.Dir, "medium2", "transfer-*", "volume-001", "bundle-0000.tar.zst"))
	if err != nil {
		return err
	}
	if err := g.take(ctx, "medium2"); err == nil {
		return errors.New("import accepted a damaged transfer")
	} else {
		g.say("\nclonecratesio: %v\n", err)
	}
	g.say("\n5. The same medium, undamaged, and once more\n\n")
	return errors.Join(mend(), g.take(ctx, "medium2"), g.check(ctx), g.take(ctx, "medium2"))
}

func (g *gap) say(format string, args ...any) { fmt.Fprintf(g.App.Stdout, format, args...) }

// export runs the command export.
func (g *gap) export(ctx context.Context, to string, cfg Transfer) error {
	cfg.To, cfg.bytes, cfg.keys = filepath.Join(g.Dir, to), 4<<30-1, []string{g.key}
	return cfg.Run(ctx, g.App, &g.Near, g.log)
}

// take runs the command import.
func (g *gap) take(ctx context.Context, from string) error {
	cfg := &importConfig{
		dirs: flags.Dirs{Dirs: g.far}, from: []string{filepath.Join(g.Dir, from)}, keys: []string{g.key + ".pub"},
		log: flags.Log{Level: "error"},
	}
	return cfg.run(ctx, g.App)
}

// check requests everything from a server behind the gap, as cargo does.
func (g *gap) check(ctx context.Context) (err error) {
	l, err := registry.ServeLocal(ctx, &g.far, g.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := g.Registry.CheckServer(ctx, l.URL); err != nil {
		return err
	}
	g.say("%d of %d index lines are served there, byte for byte, and lead to the registry's bytes\n", g.Registry.Len(), g.Registry.Len())
	return nil
}
