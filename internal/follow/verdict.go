package follow

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Verdict returns the error for a run that ran to its end, or nil. d has the mirror's folders.
// With allowMissing, a run is complete even if upstream refuses some versions.
func Verdict(s *mirror.Summary, d *home.Dirs, allowMissing bool) error {
	return errors.Join(d.QuarantineVerdict(s.Quarantined), repaired(s.Repaired, d), lacking(s, allowMissing, 0))
}

// repaired returns the verdict on damage that is already repaired. It is reported once and
// raises no alarm in later runs.
func repaired(files int, d *home.Dirs) error {
	if files == 0 {
		return nil
	}
	return verdict.Integrityf("what was damaged is stored again; %s in %s, settled, show what it was", human.Plural(int64(files), "file"), d.Quarantine())
}

// wrongUpstream is how many versions upstream must refuse, while none is stored, before
// -allow-missing no longer helps: that is a wrong upstream, not an incomplete one.
const wrongUpstream = 50

// lacking returns the verdict on missing versions. A run over a part of the index reports them
// relative to total, the number of all versions.
func lacking(s *mirror.Summary, allowMissing bool, total int64) error {
	var errs []error
	if s.Violated > 0 {
		errs = append(errs, verdict.Integrityf("%s not the bytes that the index or a lock file names", human.Plural(s.Violated, "version")))
	}
	if s.Unreadable > 0 {
		errs = append(errs, verdict.Integrityf("%s cannot be read, and stay where they are: look at the disk; -verify-existing puts what is stored elsewhere too into another bundle", human.Plural(s.Unreadable, "stored crate")))
	}
	if s.Lost > 0 {
		errs = append(errs, verdict.Integrityf("lost: the earlier bytes of %s that were published again, which upstream no longer has. The versions themselves are stored", human.Plural(s.Lost, "version")))
	}
	if s.LostRemoved > 0 {
		errs = append(errs, verdict.Integrityf("lost: %s that the index no longer names and upstream does not serve: no good copy is left", human.Plural(s.LostRemoved, "version")))
	}
	if allowMissing && s.OK() == 0 && s.Gone >= wrongUpstream {
		errs = append(errs, verdict.Incompletef("incomplete: upstream has none of the %s requested versions; check -crates-base-url", human.Count(s.Gone)))
	} else if !s.Complete(allowMissing) {
		errs = append(errs, verdict.Incompletef("incomplete: %s of %s versions are missing; %s", human.Count(s.Missing), human.Count(max(total, s.Total())), next(s)))
	}
	return errors.Join(errs...)
}

// next returns what to do about missing versions. Running again helps only if the cause may
// have passed.
func next(s *mirror.Summary) string {
	lasting := slices.ContainsFunc(s.Failures, func(f mirror.Failure) bool { return isLasting(f.Err) })
	switch {
	case s.Missing == s.BadEntries:
		return "fix the entries listed above where they come from, then run again"
	case lasting:
		return "remove the reasons listed above, then run again: that downloads only what is missing"
	case s.Missing == s.Gone:
		return "upstream does not serve them: -allow-missing accepts that, and every run asks again"
	case s.Failed+s.Unattempted+s.Gone == 0:
		return "upstream or the index has changed bytes: see the reasons listed above"
	}
	return "run the same command again: it downloads only what is missing"
}

// isLasting reports whether an error stays until the operator acts.
func isLasting(err error) bool {
	return errors.Is(err, durable.ErrEscapes) || errors.Is(err, fs.ErrPermission) || errors.Is(err, durable.ErrNotRegular) ||
		errors.As(err, new(*upstream.RedirectError))
}
