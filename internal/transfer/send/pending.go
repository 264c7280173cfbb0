package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

const (
	pendingDir = "pending"
	planName   = pendingDir + "/plan.json" // the last one: it makes the others count
	rowsName   = pendingDir + "/rows"
	stateName  = "state.zst"
	nextName   = pendingDir + "/" + stateName
	indexName  = pendingDir + "/" + transfer.IndexName
	factsName  = pendingDir + "/" + transfer.FactsName
	logName    = pendingDir + "/" + transfer.LogName
	gateName   = pendingDir + "/" + transfer.GateName
	blocksName = pendingDir + "/" + transfer.BlocksName // not kept between runs
)

// A plan is a transfer whose content is decided.
type plan struct {
	Asked    string // identifies Since; see asked
	Volume   int64
	Parity   int
	Base     transfer.Point
	End      transfer.Point
	Nothing  bool
	Leaves   int64    // of the log of statements; 0: there is no log
	Gate     string   // checksum of what builds do not see; empty: nothing is hidden
	HasGate  bool     // that is carried, too
	Versions int64    // crate files held
	Crates   int64    // crate files carried
	Bytes    int64    // approximate size of the transfer
	Bundles  []string // carried unchanged, in order
	Segments []string // likewise

	begun bool // by an earlier run
}

// pending resumes the plan that an earlier run left for the same request, or makes a new
// one.
func pending(ctx context.Context, cfg *Config) (*plan, error) {
	p := new(plan)
	points, err := readPoints(cfg.Sent)
	if err != nil {
		return nil, err
	}
	base, err := points.base(&cfg.Since)
	if err != nil {
		return nil, err
	}
	asked, err := cfg.asked(ctx, base)
	if err != nil {
		return nil, err
	}
	data, err := readAll(cfg.Sent, planName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case json.Unmarshal(data, p) == nil && p.Asked == asked && p.Volume == cfg.Volume && p.Parity == cfg.Parity:
		cfg.Log.Info("resuming the transfer that an earlier run has begun", "transfer", p.End.ID())
		p.begun = true
		return p, nil
	default:
		cfg.Log.Info("giving up another transfer that an earlier run has begun", "transfer", p.End.ID())
	}
	if err := p.drop(cfg); err != nil {
		return nil, err
	}
	p = &plan{Asked: asked, Volume: cfg.Volume, Parity: cfg.Parity, Base: base.Point, End: points.next()}
	if err := p.make(ctx, cfg, base, points); err != nil {
		return nil, err
	}
	if data, err = json.Marshal(p); err != nil {
		return nil, err
	}
	return p, durable.WriteFile(cfg.Sent, planName, data)
}

// asked identifies the request: the point (or the content of the state file, not its name)
// and what to hide.
func (cfg *Config) asked(ctx context.Context, base point) (string, error) {
	since, err := cfg.since(base)
	if err != nil {
		return "", err
	}
	_, gate, err := cfg.gate(ctx)
	return strings.TrimSpace(since + " " + gate), err
}

func (cfg *Config) since(base point) (string, error) {
	if cfg.Since.State == nil {
		return base.Line + " " + base.ID(), nil
	}
	f, err := cfg.Since.State()
	if err != nil {
		return "", cfg.Since.unreadable(err)
	}
	defer f.Close()
	sum, _, err := crate.Hash(f)
	if err != nil {
		return "", cfg.Since.unreadable(err)
	}
	return "state " + sum.String(), nil
}

// unreadable returns the error of a state.
func (s *Since) unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("-since %s: %w, and there is no such file: give last, the number of a transfer, or the file of a state of the far side (clonecratesio import -state FILE, there)", s.Name, ErrNoPoint)
	}
	return fmt.Errorf("reading the state %s: %w", s.Name, err)
}

// drop removes a plan, beginning with the file that makes it one.
func (p *plan) drop(cfg *Config) error {
	if err := remove(cfg.Sent, planName); err != nil {
		return err
	}
	entries, err := cfg.Sent.ReadDir(pendingDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := remove(cfg.Sent, path.Join(pendingDir, e.Name())); err != nil {
			return err
		}
	}
	return cfg.Sent.SyncDir(pendingDir)
}

// make decides what to carry to a far side that is at a base; before are all points.
func (p *plan) make(ctx context.Context, cfg *Config, base point, before points) error {
	repo, err := carry.Repository(cfg.Dirs.Index)
	if err != nil {
		return fmt.Errorf("opening index %s: %w", cfg.Dirs.Index, err)
	}
	head, err := repo.Head(ctx) // before the catalog, so that it may hold more than this names, and not less
	if err != nil {
		return fmt.Errorf("opening index %s: %w", cfg.Dirs.Index, err)
	}
	p.End.Commit, p.End.Time = head.Commit, head.Time.UTC()
	d := difference{cfg: cfg, plan: p}
	if err := p.writeLog(ctx, cfg, base.Leaves); err != nil {
		return err
	}
	if err := p.writeGate(ctx, cfg, before); err != nil {
		return err
	}
	if err := d.run(ctx); err != nil {
		return err
	}
	if p.Nothing = p.Crates == 0 && p.Base.Commit == p.End.Commit && p.Base.Digest == p.End.Digest && p.Leaves == base.Leaves && p.Gate == base.Gate; p.Nothing {
		return nil
	}
	if err := p.carryIndex(ctx, cfg, repo); err != nil {
		return err
	}
	return p.writeFacts(ctx, cfg)
}

// carryIndex writes the index from the base on. If the base's commit is gone because
// upstream squashed its history, it uses the last day before it. A far side that got its
// commit in another way may have other days, so only the commit itself counts then: if it is
// unknown here, everything is carried.
func (p *plan) carryIndex(ctx context.Context, cfg *Config, repo *git.Repository) error {
	since := []string{p.Base.Commit}
	switch {
	case p.Base.IsZero():
		since = nil
	case p.Base.Line == p.End.Line:
		before, err := carry.Known(ctx, repo, p.Base.Commit, p.Base.Time)
		if err != nil {
			return err
		}
		if since[0] = before; before == "" {
			since = nil
		}
	}
	err := durable.FillFile(cfg.Sent, indexName, func(w io.Writer) error {
		_, err := carry.Write(ctx, cfg.Dirs.Index, since, p.End.Commit, w)
		return err
	})
	if err != nil {
		return err
	}
	return p.addSize(cfg, indexName)
}

func (p *plan) addSize(cfg *Config, name string) error {
	info, err := cfg.Sent.Stat(name)
	if err == nil {
		p.Bytes += info.Size()
	}
	return err
}

// reserve returns what each volume needs besides its share, in bytes: the manifest, and the
// checksums of pieces. whole is the number of files of the mirror that are carried unchanged.
func (p *plan) reserve(bytes, whole int64) int64 {
	const note, perFile = 4 << 10, 200
	files := 8 + bytes/max(p.Volume/2, 1) + whole
	pieces := int64(0)
	if p.Parity > 0 {
		pieces = (bytes/transfer.PieceSize + files + 200) * int64(100+p.Parity) / 100 * transfer.SumSize
	}
	return note + files*perFile + pieces
}

// withParity returns the approximate size of the transfer, in bytes.
func (p *plan) withParity() int64 { return p.Bytes + p.Bytes*int64(p.Parity)/100 }

// volumes returns how many bytes a volume has for files, and the minimum number of volumes.
// Errors: *VolumeError, *VolumesError.
func (p *plan) volumes() (limit, n int64, err error) {
	limit = p.Volume - p.reserve(p.Bytes, int64(len(p.Bundles)+len(p.Segments)))
	switch {
	case limit <= 0:
		return limit, 0, &VolumeError{transfer.NoteName, p.Volume - limit, p.Volume}
	case p.Parity > 0 && limit < transfer.PieceSize:
		return limit, 0, &VolumeError{transfer.ParityName(1), transfer.PieceSize, limit}
	}
	n = (p.withParity() + limit - 1) / limit
	return limit, n, checkVolumes(n)
}

// remember records the end of the transfer as what the far side has.
func (p *plan) remember(cfg *Config) error {
	if err := cfg.Sent.Replace(nextName, stateName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // missing: an earlier run was killed after this step
	}
	if err := cfg.Sent.SyncDir("."); err != nil {
		return err
	}
	if err := addPoint(cfg.Sent, point{p.End, p.Leaves, p.Gate}); err != nil {
		return err
	}
	return p.drop(cfg)
}

func remove(fsys durable.FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readAll reads a small file of our own.
func readAll(fsys durable.Reader, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 64 << 20
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(f, most)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
