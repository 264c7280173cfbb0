package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// writeLog writes the part of the log of statements after the far side's leaves. There need
// not be a log.
func (p *plan) writeLog(ctx context.Context, cfg *Config, from int64) error {
	folder, err := home.OpenIfThere(cfg.Dirs.Statements)
	if err != nil || folder == nil {
		return err
	}
	defer folder.Close()
	l, err := tilelog.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the log of statements %s: %w", cfg.Dirs.Statements, err)
	}
	if from > l.N { // another log was begun since
		from = 0
	}
	p.Leaves = l.N
	err = durable.FillFile(cfg.Sent, logName, func(w io.Writer) error { return transfer.WriteLog(ctx, w, l, from) })
	if err != nil {
		return fmt.Errorf("reading the log of statements %s: %w", cfg.Dirs.Statements, err)
	}
	return p.addSize(cfg, logName)
}
