package status

import (
	"errors"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Check returns the verdict on a mirror for monitoring. It is nil if a round of a sync was
// complete within maxAge (0: at any time), and nothing is missing, damaged, or unsettled in
// quarantine.
func (s *Mirror) Check(maxAge time.Duration, now time.Time) error {
	var errs []error
	if s.Quarantine > 0 {
		errs = append(errs, verdict.Integrityf("%s in quarantine not settled: clonecratesio quarantine lists them", human.Plural(int64(s.Quarantine), "file")))
	}
	if n := len(s.Verified.Bad); n > 0 {
		errs = append(errs, verdict.Integrityf("%s damaged, missing on the disk or unreadable: clonecratesio verify -repair", human.Plural(int64(n), "version")))
	}
	if s.Missing > 0 {
		errs = append(errs, verdict.Incompletef("%s missing: clonecratesio status -missing lists them", human.Plural(s.Missing, "version")))
	}
	if r := s.Run; s.Gone > 0 && r != nil && r.ExitCode == verdict.ExitIncomplete { // as the rounds count it
		errs = append(errs, verdict.Incompletef("%s refused by upstream make rounds incomplete: clonecratesio status -gone lists them, sync -allow-missing accepts them", human.Plural(s.Gone, "version")))
	}
	return errors.Join(append(errs, s.checkRounds(maxAge, now))...)
}

func (s *Mirror) checkRounds(maxAge time.Duration, now time.Time) error {
	r := s.Run
	switch {
	case r == nil || r.RoundEnded.IsZero():
		return verdict.Incompletef("no round of a sync has ended yet")
	case r.Ended.IsZero() && !r.Live(now):
		return verdict.Incompletef("the last run broke off %s: run it again", human.Ago(r.Updated, now))
	case r.SucceededAt.IsZero():
		return verdict.Incompletef("no round of a sync was complete yet; the last one: %s", lastError(r))
	case maxAge > 0 && now.Sub(r.SucceededAt) > maxAge:
		return verdict.Incompletef("the last complete round of a sync ended %s; the last one: %s", human.Ago(r.SucceededAt, now), lastError(r))
	}
	return nil
}
