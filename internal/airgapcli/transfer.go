// Package airgapcli implements the commands on both sides of an air gap: the flags of
// export that make a transfer, import, and the demo of both.
package airgapcli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// Transfer holds the flags of export that make a transfer.
type Transfer struct {
	To       string // -to, which export itself also reads
	since    string
	full     bool
	plan     bool
	volume   string
	parity   string
	keys     []string
	policies []string
	carried  []send.Policy // -carry-policy, after Check
	password flags.Password

	bytes   int64 // -volume, after Check
	percent int   // -parity, after Check
}

// Flags returns the flags.
func (cfg *Transfer) Flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "to", Usage: "write a transfer across an air gap to a folder in `DIR`, for import on the far side (docs/Airgap-Guide.md); or a tree to a bucket, s3://BUCKET/PREFIX?endpoint=URL or file:///FOLDER (docs/bucket.md)", Destination: &cfg.To, TakesFile: true},
		&cli.StringFlag{Name: "since", Usage: "with -to: carry what the far side lacks since the `last` transfer, since another one (its number, 16 or 16-9f8e7d6c), or since a state of the far side (the file of import -state)", Destination: &cfg.since, TakesFile: true},
		&cli.BoolFlag{Name: "full", Usage: "with -to: carry everything", Destination: &cfg.full},
		&cli.BoolFlag{Name: "plan", Usage: "with -to: print how much there is to carry, and write nothing", Destination: &cfg.plan},
		&cli.StringFlag{Name: "volume", Value: "4GiB", Usage: "with -to: make volumes smaller than `SIZE`, such as 700MB or 32GiB; 4GiB fits FAT32", Destination: &cfg.volume},
		&cli.StringFlag{Name: "parity", Usage: "with -to: add `N%` of parity, from which import rebuilds up to as much that was damaged or lost on the way", Destination: &cfg.parity},
		&cli.StringSliceFlag{Name: "sign", Usage: "with -to: sign with the private key in `FILE`, of any kind; may be repeated", Destination: &cfg.keys, TakesFile: true},
		&cli.StringSliceFlag{Name: "carry-policy", Usage: "with -to: also carry the policy in `[NAME=]FILE`, which the far side keeps as NAME.toml for its servers (docs/policy.md); may be repeated. Blocks are always carried", Destination: &cfg.policies, TakesFile: true},
		cfg.password.Flag(),
	}
}

// minVolume has room for a crate of the usual size and the overhead of a volume.
const minVolume = 64 << 10

// Asked reports whether any flag of a transfer is set, other than -to.
func (cfg *Transfer) Asked() bool {
	return cfg.full || cfg.since != "" || cfg.plan || cfg.parity != "" || len(cfg.keys) > 0 || len(cfg.policies) > 0
}

// Check rejects invalid values and combinations. It reports whether to make a transfer.
func (cfg *Transfer) Check() (meant bool, err error) {
	if cfg.To == "" && !cfg.Asked() {
		return false, nil
	}
	switch {
	case cfg.To == "":
		return true, flags.Usagef("provide -to, the folder of the transfer")
	case cfg.full == (cfg.since != ""):
		return true, flags.Usagef("give either -full, for all, or -since, for what the far side lacks")
	}
	if cfg.bytes, err = flags.ParseSize(cfg.volume); err != nil || cfg.bytes < minVolume {
		return true, flags.Usagef("-volume %q is not a size of 64KiB or more, such as 4GiB", cfg.volume)
	}
	if err := cfg.checkPolicies(); err != nil {
		return true, err
	}
	cfg.bytes-- // FAT32 files are smaller than 4 GiB
	if cfg.parity != "" {
		cfg.percent, err = strconv.Atoi(strings.TrimSuffix(cfg.parity, "%"))
		if err != nil || cfg.percent < 0 || cfg.percent > 100 {
			return true, flags.Usagef("-parity %q is not 0%% to 100%%", cfg.parity)
		}
	}
	return true, nil
}

// checkPolicies parses -carry-policy. A policy without a name is named after its file.
func (cfg *Transfer) checkPolicies() error {
	cfg.carried = nil
	for _, arg := range cfg.policies {
		name, file := flags.NamedFile(arg)
		if name == "" {
			name = strings.TrimSuffix(filepath.Base(file), ".toml")
		}
		switch {
		case !transfer.IsPolicyName(name):
			return flags.Usagef("-carry-policy %s: %q cannot be its name on the far side: write -carry-policy NAME=FILE, of small letters, digits and -, 32 at most", arg, name)
		case slices.ContainsFunc(cfg.carried, func(p send.Policy) bool { return p.Name == name }):
			return flags.Usagef("-carry-policy %s: there is another policy %s: name this one, -carry-policy NAME=FILE", arg, name)
		}
		cfg.carried = append(cfg.carried, send.Policy{Name: name, File: file})
	}
	return nil
}

// what returns what to assume that the far side holds.
func (cfg *Transfer) what() send.Since {
	switch {
	case cfg.full:
		return send.Since{}
	case cfg.since == "last":
		return send.Since{Last: true}
	case transfer.IsID(cfg.since):
		return send.Since{Point: cfg.since}
	}
	return send.Since{Name: cfg.since, State: func() (io.ReadCloser, error) { return os.Open(cfg.since) }}
}

// signers opens the private keys.
func (cfg *Transfer) signers(ctx context.Context, stderr io.Writer) (keys []*signing.Signer, err error) {
	for _, file := range cfg.keys {
		key, err := signing.OpenPrivate(file, cfg.password.Ask(ctx, stderr, file))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Run makes a transfer of a mirror.
func (cfg *Transfer) Run(ctx context.Context, a *program.App, dirs *home.Dirs, log *slog.Logger) (err error) {
	var closers home.Closers
	defer func() { err = errors.Join(err, closers.Close()) }()
	keys, err := cfg.signers(ctx, a.Stderr)
	if err != nil {
		return err
	}
	mirror, err := home.OpenReader(ctx, dirs)
	if err != nil {
		return err
	}
	closers.Add(mirror.Close)
	dir := filepath.Join(dirs.State(), "sent")
	sent, err := a.Folder(dir)
	if err != nil {
		return err
	}
	closers.Add(sent.Close)
	lock, err := durable.Lock(filepath.Join(dir, "lock"), durable.Self(filepath.Base(os.Args[0])+" export -to "+cfg.To))
	if err != nil {
		return err
	}
	closers.Add(lock.Release)
	job := send.Config{
		Mirror: mirror, Dirs: dirs, Sent: sent, Since: cfg.what(), Volume: cfg.bytes, Parity: cfg.percent, Signers: keys, Policies: cfg.carried, Log: log,
	}
	if cfg.plan {
		result, err := send.Plan(ctx, job)
		if err == nil {
			result.PrintPlan(console.Wrap(a.Stdout))
		}
		return asUsage(err)
	}
	job.Out = func() (durable.FS, error) { return a.Folder(cfg.To) }
	result, err := send.Run(ctx, job)
	if err == nil {
		result.Print(console.Wrap(a.Stdout), cfg.To)
	}
	return asUsage(err)
}

// asUsage turns an error that another value of a flag avoids into a usage error.
func asUsage(err error) error {
	if errors.As(err, new(*send.VolumeError)) || errors.As(err, new(*send.VolumesError)) || errors.Is(err, send.ErrNoPoint) {
		return flags.Usagef("%w", err)
	}
	return err
}
