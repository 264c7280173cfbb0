package access

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// A File holds the tokens of a file, as last read without an error.
type File struct {
	name string
	log  *slog.Logger
	now  atomic.Pointer[Tokens]
	seen stamp
}

type stamp struct {
	modified time.Time
	size     int64
}

// Open reads a token file and returns a File that Look and Follow keep up to date.
func Open(name string, log *slog.Logger) (*File, error) {
	f := &File{name: name, log: log, seen: stampOf(name)}
	t, err := Load(name)
	if err != nil {
		return nil, err
	}
	f.now.Store(t)
	return f, nil
}

// Tokens returns the current tokens.
func (f *File) Tokens() *Tokens { return f.now.Load() }

func stampOf(name string) stamp {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// Look reads the file again if it changed. It must not be called concurrently.
func (f *File) Look() {
	seen := stampOf(f.name)
	if seen == f.seen {
		return
	}
	f.seen = seen // so that an error is logged once
	t, err := Load(f.name)
	if err != nil {
		f.log.Error("the token file changed and cannot be read; the previous tokens stay valid", "err", err)
		return
	}
	f.now.Store(t)
	f.log.Info("the tokens were read again", "file", f.name, "tokens", len(t.list))
}

// Follow calls Look twice a second until ctx ends.
func (f *File) Follow(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.Look()
		}
	}
}
