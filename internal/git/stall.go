package git

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// maxSilence is how long upstream may be silent. Git reports progress every second, its own
// and upstream's.
const maxSilence = time.Minute

// A StalledError says that upstream fell silent. A later try may succeed.
type StalledError struct {
	URL   string
	After time.Duration
}

func (e *StalledError) Error() string {
	return fmt.Sprintf("%s has sent nothing for %v: check the network, or try again later", WithoutPassword(e.URL), e.After)
}

// Network runs a git command that talks to upstream, and ends it when no more data arrives: no
// output, and no growth of the packs in gitDir, since not every transport reports progress.
// Over HTTP, git itself would time out later. Errors: *StalledError.
func (p *Porcelain) Network(ctx context.Context, gitDir string, args ...string) error {
	silence := cmp.Or(p.Silence, maxSilence)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limits := []string{"-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=" + strconv.Itoa(max(1, int(2*silence.Seconds())))}
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
			case <-time.After(silence):
				now := packBytes(gitDir)
				if now == size {
					cancel(&StalledError{p.url(), silence})
					return
				}
				size = now
			}
		}
	}()
	_, err := watched.Run(ctx, append(limits, args...)...)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// packBytes returns the size of everything received so far.
func packBytes(gitDir string) (sum int64) {
	entries, _ := os.ReadDir(filepath.Join(gitDir, "objects", "pack")) // may not exist yet
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
