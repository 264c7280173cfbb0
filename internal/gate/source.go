package gate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
)

// A Source keeps the policy of a file up to date: it reads the policy again when the file, or
// a file that it names, has changed. If that fails, the previous policy stays in force. Its
// methods may be called concurrently, except Look.
type Source struct {
	file    string
	log     *slog.Logger
	changed []func()

	watched []string  // files and folders of the last read
	seen    uint64    // stamp of watched, taken before the read
	again   time.Time // when to read them again even if they are unchanged; zero: never
	next    time.Time // when to look at them next

	mu     sync.Mutex // guards what follows
	policy *policy.Policy
	status Status
}

// Status is the state of a policy.
type Status struct {
	File     string    `json:"file"`
	Loaded   time.Time `json:"loaded"`         // when the policy in force was read
	Failures int64     `json:"failures"`       // failed attempts to read it again
	Error    string    `json:"error,omitzero"` // of the last attempt, if it failed
}

// OpenSource reads a policy from a file. The policy must be valid.
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

// tellUnread logs the advisories that are ignored because they cannot be parsed.
func (s *Source) tellUnread(p *policy.Policy) {
	if db := p.Advisories(); db != nil && len(db.Problems) > 0 {
		first := &db.Problems[0]
		s.log.Warn("advisories cannot be read and are ignored: clonecratesio policy check lists them",
			"file", s.file, "advisories", len(db.Problems), "first", first.Path, "err", human.OneLine(first.Err))
	}
}

const (
	// settled is the age from which the time of a file proves that it was not written again:
	// no file system has coarser times.
	settled = 2 * time.Second
	// retry is the pause before everything is read again after a failure, which may have been
	// temporary.
	retry = 30 * time.Second
)

// read reads the policy. It stamps the files before it reads them, so that the next Look
// notices what changes meanwhile.
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

// OnChange adds a function to call whenever the policy has changed. It must not be called
// while Look runs.
func (s *Source) OnChange(f func()) { s.changed = append(s.changed, f) }

// Policy returns the policy in force.
func (s *Source) Policy() *policy.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy
}

// Status returns the state of the policy.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Pauses between two looks at the files of a policy. Looking at folders of thousands of
// advisories takes some milliseconds, too much to do many times per second.
const (
	leastPause = time.Second
	pauses     = 50 // times the duration of the last look
)

// Look reads the policy again if any of its files has changed, or if now is set.
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
		level = slog.LevelDebug // a precaution: nothing is known to have changed
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

// failed logs what is wrong, once.
func (s *Source) failed(err error) {
	text := human.OneLine(err)
	s.mu.Lock()
	told := s.status.Error == text
	s.status.Failures++
	s.status.Error = text
	s.mu.Unlock()
	if !told {
		s.log.Error("the policy has changed and cannot be read; the previous one stays in force", "file", s.file, "err", err)
	}
}
