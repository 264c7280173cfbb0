package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/time/rate"
)

// Limits of an audit log.
const (
	// again is how long a repeated decision for the same client is not logged again.
	again = time.Minute
	// maxRemembered bounds the decisions that are remembered for this, at some 200 bytes each.
	// Beyond it, some decisions are logged again early.
	maxRemembered = 1 << 14
	// Lines per second, and in one burst.
	auditRate  = 200
	auditBurst = 2000
	// reopen is how often the log checks whether its file was moved away.
	reopen = time.Second
)

// An Audit is a log of decisions: a file of JSON lines that only grows. The file may be moved
// away at any time; the log then starts a new one. Its methods may be called concurrently; a
// nil Audit records nothing.
type Audit struct {
	name    string
	log     *slog.Logger
	metrics *Metrics
	clock   func() time.Time

	mu         sync.Mutex // guards what follows
	file       *os.File
	looked     time.Time
	limit      *rate.Limiter
	fresh, old map[string]time.Time // when a decision was last logged
	troubled   bool
}

// OpenAudit opens a log, which appends to the file name.
func OpenAudit(name string, m *Metrics, log *slog.Logger) (*Audit, error) {
	a := &Audit{name: name, log: log, metrics: m, clock: time.Now, limit: rate.NewLimiter(auditRate, auditBurst), fresh: map[string]time.Time{}}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return a, nil
}

func (a *Audit) open() (err error) {
	a.file, err = os.OpenFile(a.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	return err
}

// Close closes the log.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// Tell writes e as a line, unless the same line was written within the last minute.
func (a *Audit) Tell(e *Event) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	if a.wasTold(e, now) {
		return
	}
	err := errTooMany
	if a.limit.AllowN(now, 1) {
		e.Time = now.UTC()
		err = a.write(e, now)
	}
	if err != nil {
		a.metrics.dropped.Inc()
	}
	if troubled := err != nil; troubled != a.troubled { // log it once
		a.troubled = troubled
		if troubled {
			a.log.Error("decisions are missing from the audit log", "err", err)
		}
	}
}

var errTooMany = fmt.Errorf("more than %d lines a second", auditRate)

func (a *Audit) wasTold(e *Event, now time.Time) bool {
	// The fields that a client chooses cannot contain these separators.
	key := e.Client + "\n" + e.View + "\n" + e.Event + "\n" + e.Crate + "\n" + e.Version + "\n" + e.Rule + "\n" + strings.Join(e.Versions, " ")
	told, ok := a.fresh[key]
	if !ok {
		told, ok = a.old[key]
	}
	if ok && now.Sub(told) < again && !now.Before(told) {
		return true
	}
	if len(a.fresh) >= maxRemembered/2 {
		a.old, a.fresh = a.fresh, map[string]time.Time{}
	}
	a.fresh[key] = now
	return false
}

func (a *Audit) write(e *Event, now time.Time) error {
	if err := a.follow(now); err != nil {
		return err
	}
	line, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = a.file.Write(append(line, '\n'))
	return err
}

// follow starts a new file if the current one was moved away.
func (a *Audit) follow(now time.Time) error {
	if a.file != nil && now.Sub(a.looked) < reopen {
		return nil
	}
	a.looked = now
	if a.file != nil {
		there, err := os.Stat(a.name)
		ours, oursErr := a.file.Stat()
		if err == nil && oursErr == nil && os.SameFile(there, ours) {
			return nil
		}
		err = a.file.Close()
		a.file = nil
		return errors.Join(err, a.open())
	}
	return a.open()
}
