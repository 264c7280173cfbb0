package receive

import (
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Where returns the name of a point for people.
func Where(p transfer.Point) string {
	if p.IsZero() {
		return "what it was before any import"
	}
	return p.ID()
}

// Print writes what was imported.
func (r *Result) Print(w io.Writer) {
	if len(r.Taken) == 0 {
		if !r.At.IsZero() {
			fmt.Fprintf(w, "nothing to do: %s was taken already\n", r.At.ID())
		}
		return
	}
	for _, m := range r.Taken {
		fmt.Fprintf(w, "transfer %s was taken: index commit %s of %s, %s\n", m.End.ID(), m.End.Commit, m.End.Time.Format("2006-01-02"), human.Plural(int64(m.Crates()), "crate file"))
	}
	if r.Rebuilt > 0 {
		fmt.Fprintf(w, "%12s  rebuilt from parity\n", human.Count(int64(r.Rebuilt)))
	}
	for _, file := range r.Policies {
		fmt.Fprintf(w, "the policy %s came: clonecratesio serve -policy FILE serves by it\n", file)
	}
	same := "all that the sending side holds"
	if !r.Same {
		same = "not just what the sending side holds"
	}
	fmt.Fprintf(w, "%12s  held and served: %s\n", human.Count(r.Held), same)
}

// Verdict returns the error of a completed import.
func (r *Result) Verdict() error {
	if r.Lacking == 0 {
		return nil
	}
	return verdict.Incompletef("at least %s that the sending side holds %s missing here: write down what is held, clonecratesio import -state FILE, and ask for: clonecratesio export -since FILE -to DIR",
		human.Plural(r.Lacking, "crate file"), map[bool]string{true: "is", false: "are"}[r.Lacking == 1])
}

// Verdict returns what an error of Run means for the mirror: something signed by others is
// an attack, or a mistake; something missing may still come.
func Verdict(err error) error {
	switch {
	case errors.As(err, new(*signing.UnknownSignersError)), errors.As(err, new(forgedError)):
		return verdict.Integrityf("%v", err)
	case errors.As(err, new(*MissingError)), errors.As(err, new(*BaseError)), errors.As(err, new(*OlderError)), errors.As(err, new(*NoTransferError)):
		return verdict.Incompletef("%v", err)
	}
	return err
}
