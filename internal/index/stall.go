package index

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// maxSilence is how long upstream may be silent. Git tells of its progress every
// second, upstream's as well as its own.
const maxSilence = time.Minute

// A StalledError says that upstream fell silent. Another try may find it awake.
type StalledError struct {
	URL   string
	After time.Duration
}

func (e *StalledError) Error() string {
	return fmt.Sprintf("%s has sent nothing for %v: check the network, or try again later", withoutPassword(e.URL), e.After)
}

// network runs a git that speaks with upstream, and ends it when nothing comes any
// more: its silence shows that, and that the packs in gitDir do not grow, since not
// every transport tells of its progress. Over HTTP git itself would do so later.
func (p *porcelain) network(ctx context.Context, gitDir string, args ...string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limits := []string{"-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=" + strconv.Itoa(max(1, int(2*p.silence.Seconds())))}
	heard := make(chan struct{}, 1)
	watched := *p
	watched.heard = func() {
		select {
		case heard <- struct{}{}:
		default:
		}
	}
	go func() {
		for size := packBytes(gitDir); ; {
			select {
			case <-heard:
				size = packBytes(gitDir)
			case <-ctx.Done():
				return
			case <-time.After(p.silence):
				now := packBytes(gitDir)
				if now == size {
					cancel(&StalledError{p.url(), p.silence})
					return
				}
				size = now
			}
		}
	}()
	_, err := watched.git(ctx, append(limits, args...)...)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// packBytes is the size of all that is being received.
func packBytes(gitDir string) (sum int64) {
	entries, _ := os.ReadDir(filepath.Join(gitDir, "objects", "pack")) // may not be there yet
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
