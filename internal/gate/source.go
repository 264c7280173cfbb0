package gate

import (
	"context"
	"log/slog"
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

	watched []string  // files and folders that were read last
	seen    uint64    // the stamp of watched, from before they were read
	again   time.Time // when they are read again although it is the same; zero: never
	next    time.Time // they are not looked at before that

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
	p, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	s.policy, s.status.Loaded = p, time.Now()
	s.tellUnread(p)
	return s, nil
}

// tellUnread logs the advisories that do not count since they cannot be parsed.
func (s *Source) tellUnread(p *policy.Policy) {
	if db := p.Advisories(); db != nil && len(db.Problems) > 0 {
		first := &db.Problems[0]
		s.log.Warn("advisories cannot be read and do not count: clonecratesio policy check lists them",
			"file", s.file, "advisories", len(db.Problems), "first", first.Path, "err", human.OneLine(first.Err))
	}
}

const (
	// settled is how long ago a file must have been written for its time to tell that it
	// was not written since: as coarse as the time of any file system.
	settled = 2 * time.Second
	// retry is how long after a failure, that may have been that of a moment, all is read
	// again.
	retry = 30 * time.Second
)

// read reads the policy. It looks at each file before it reads it, so that the next Look
// sees what changes meanwhile.
func (s *Source) read(ctx context.Context) (*policy.Policy, error) {
	begin := time.Now()
	st := newStamp()
	s.watched = []string{s.file}
	st.add(s.file)
	f, err := policy.ReadFile(s.file)
	var p *policy.Policy
	if err == nil {
		for _, name := range f.Names() {
			for _, name := range filesOf(ctx, name) {
				s.watched = append(s.watched, name)
				st.add(name)
			}
		}
		p, err = f.Policy(ctx)
	}
	s.seen, s.again = st.value(), time.Time{}
	switch {
	case err != nil:
		s.again = begin.Add(retry)
	case st.newest.After(begin.Add(-settled)) && !st.newest.After(begin.Add(settled)):
		s.again = begin.Add(settled)
	}
	return p, err
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
// take some milliseconds, which must not add up within a second.
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
	st := newStamp()
	for _, name := range s.watched {
		st.add(name)
	}
	s.next = time.Now().Add(max(leastPause, pauses*time.Since(begin)))
	same := st.value() == s.seen
	if due := !s.again.IsZero() && !begin.Before(s.again); same && !due && !now {
		return
	}
	p, err := s.read(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.failed(err)
		return
	}
	level := slog.LevelInfo
	if same && !now && s.Status().Error == "" {
		level = slog.LevelDebug // to be sure: nothing is known to have changed
	}
	s.mu.Lock()
	s.policy, s.status.Loaded, s.status.Error = p, time.Now(), ""
	s.mu.Unlock()
	for _, f := range s.changed {
		f()
	}
	s.log.Log(ctx, level, "the policy was read again", "file", s.file)
	if level == slog.LevelInfo {
		s.tellUnread(p)
	}
}

// failed says what is wrong, once.
func (s *Source) failed(err error) {
	text := human.OneLine(err)
	s.mu.Lock()
	told := s.status.Error == text
	s.status.Failures++
	s.status.Error = text
	s.mu.Unlock()
	if !told {
		s.log.Error("the policy has changed and cannot be read; the one before stays", "file", s.file, "err", err)
	}
}
