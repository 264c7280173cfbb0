package gate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
)

// A Source is a policy file as it is now: it is read again when the file, or what it
// names, has changed. If it cannot be read then, the policy before stays. Its methods may
// be called concurrently, but for Look.
type Source struct {
	file    string
	log     *slog.Logger
	changed []func()

	seen uint64    // of the sources, before they were read last; 0: read them again
	next time.Time // not before that

	mu     sync.Mutex // guards what follows
	policy *policy.Policy
	status Status
}

// Status is where a policy stands.
type Status struct {
	File     string    `json:"file"`
	Loaded   time.Time `json:"loaded"`         // when what is applied was read
	Failures int64     `json:"failures"`       // times that it could not be read again
	Error    string    `json:"error,omitzero"` // why, if that is so now
}

// OpenSource reads a policy.
func OpenSource(ctx context.Context, file string, log *slog.Logger) (*Source, error) {
	s := &Source{file: file, log: log, status: Status{File: file}}
	begin := time.Now()
	p, err := policy.Load(ctx, file)
	if err != nil {
		return nil, err
	}
	s.policy, s.status.Loaded = p, time.Now()
	if seen, newest := stamp(s.sources(p)); newest.Before(begin.Add(-settled)) {
		s.seen = seen
	} // else they may have changed since they were read: Look reads them again
	return s, nil
}

// settled is how long ago a file must have been written for its time to tell that it was
// not written since: as coarse as the time of any file system.
const settled = 2 * time.Second

// sources are the files and folders that a policy was read from.
func (s *Source) sources(p *policy.Policy) []string {
	if from, ok := any(p).(interface{ Sources() []string }); ok {
		return from.Sources()
	}
	return []string{s.file}
}

// OnChange has f called, too, whenever the policy is another one. It is not for calls while
// Look runs.
func (s *Source) OnChange(f func()) { s.changed = append(s.changed, f) }

// Policy returns the policy that is applied.
func (s *Source) Policy() *policy.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy
}

// Status returns where the policy stands.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Pauses between two looks at the files of a policy: folders of thousands of advisories
// take some milliseconds, of which no second is to have many.
const (
	leastPause = time.Second
	pauses     = 50 // times as long as it took
)

// Look reads the policy again if something of it has changed, or if now is set.
func (s *Source) Look(ctx context.Context, now bool) {
	begin := time.Now()
	if begin.Before(s.next) && !now {
		return
	}
	was := s.sources(s.Policy())
	seen, _ := stamp(was)
	s.next = time.Now().Add(max(leastPause, pauses*time.Since(begin)))
	if seen == s.seen && !now {
		return
	}
	p, err := policy.Load(ctx, s.file)
	if ctx.Err() != nil {
		return
	}
	s.seen = seen // what is wrong is said once
	if err != nil {
		s.failed(err)
		return
	}
	if !slices.Equal(was, s.sources(p)) {
		s.seen = 0 // what it names now was not looked at before it was read
	}
	s.mu.Lock()
	s.policy, s.status.Loaded, s.status.Error = p, time.Now(), ""
	s.mu.Unlock()
	for _, f := range s.changed {
		f()
	}
	s.log.Info("the policy was read again", "file", s.file)
}

func (s *Source) failed(err error) {
	s.mu.Lock()
	s.status.Failures++
	s.status.Error = human.OneLine(err)
	s.mu.Unlock()
	s.log.Error("the policy has changed and cannot be read; the one before stays", "file", s.file, "err", err)
}

// maxStamped bounds how many files are looked at. A folder with more is read again when
// the process is told to, or the policy file changes.
const maxStamped = 200_000

var errEnough = errors.New("enough was looked at")

// stamp changes with what stands in files and folders, without reading it. Newest is when
// the last of them was written.
func stamp(names []string) (_ uint64, newest time.Time) {
	sum := fnv.New64a()
	n := 0
	for _, name := range names {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			name = real // a link to a folder is not walked through
		}
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if n++; n > maxStamped {
				return errEnough
			}
			if err != nil {
				fmt.Fprintf(sum, "%s %v\n", path, err)
				return nil
			}
			if d.IsDir() && d.Name() == ".git" {
				return fs.SkipDir // what is checked out is what counts
			}
			info, err := os.Stat(path)
			if err != nil {
				fmt.Fprintf(sum, "%s %v\n", path, err)
				return nil
			}
			if !info.IsDir() {
				fmt.Fprintf(sum, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
			}
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
			return nil
		})
		if err != nil {
			break
		}
	}
	return sum.Sum64() | 1, newest // never 0
}
