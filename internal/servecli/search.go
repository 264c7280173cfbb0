package servecli

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/search"
)

func (cfg *Config) descriptionsFlag() cli.Flag {
	return &cli.StringFlag{Name: "descriptions", Usage: "also search descriptions and keywords: read them from the newest version of each crate, in the background, and keep them in `FILE`; default: search only names", Destination: &cfg.Descriptions, TakesFile: true}
}

// dependants reads in the background which crates need which, or returns nil if there is no
// index.
func (m *servedMirror) dependants(ctx context.Context, cfg *Config, log *slog.Logger) *dependants.Watch {
	if m.view == nil {
		return nil
	}
	w := dependants.NewWatch(dependants.Config{Dir: cfg.Dirs.Index, Log: log})
	m.keep(ctx, w.Follow)
	return w
}

// search ranks the search results of the mirror.
func (m *servedMirror) search(ctx context.Context, cfg *Config, needs *dependants.Watch, log *slog.Logger) error {
	var texts *search.Texts
	if cfg.Descriptions != "" && m.view != nil {
		folder, err := durable.Open(filepath.Dir(cfg.Descriptions))
		if err != nil {
			return fmt.Errorf("opening the folder of -descriptions: %w", err)
		}
		m.Add(folder.Close)
		texts, err = search.OpenTexts(search.Config{
			Folder: folder, File: filepath.Base(cfg.Descriptions), Names: m.view.Names, Mirror: m.view, Log: log,
			Rank: func(name string) int { _, strong := needs.Graph().Count(name); return strong },
		})
		if err != nil {
			return err
		}
		m.keep(ctx, func(life context.Context) {
			for needs.Graph() == nil && life.Err() == nil { // it determines what is wanted most
				select {
				case <-time.After(time.Second):
				case <-life.Done():
				}
			}
			texts.Follow(life)
		})
	}
	m.shown = search.New(m.shown, needs, texts)
	return nil
}
