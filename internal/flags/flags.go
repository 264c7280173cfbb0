// Package flags defines the flags that several commands share, with a struct for each group.
// Its method Flags returns the flags for the parser. Check rejects invalid values before
// anything is changed. Another method makes the configuration of the package that uses the
// values. Flags of a single command are in package cli.
package flags

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v3"
)

// A UsageError says that flags or arguments are wrong. The program prints the command's usage
// line and exits with code 2.
type UsageError struct {
	Cmd *cli.Command // nil until the command is known
	Err error
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a *UsageError; its arguments are those of fmt.Errorf.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// Emptyf returns a *UsageError for a selection that selects nothing, with a hint to
// -allow-empty.
func Emptyf(format string, args ...any) error {
	return Usagef(format+"; if an empty choice is meant, give -allow-empty", args...)
}

// Titles of the groups of flags in the help; flags without a title are under "Options".
const (
	folders  = "Folders"
	theIndex = "Index"
	Choice   = "What to mirror"
	Storage  = "Storage"
	remote   = "Bucket"
	requests = "Upstream and requests"
	logging  = "Log and progress"
)

// under sets the title of flags, and returns them.
func under(title string, list ...cli.Flag) []cli.Flag {
	for _, f := range list {
		if c, ok := f.(cli.CategorizableFlag); ok {
			c.SetCategory(title)
		}
	}
	return list
}

// JSON returns -json: output for programs.
func JSON(to *bool, usage string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: usage, Destination: to}
}

// IndexDir returns -index-dir, for commands without a mirror.
func IndexDir(to *string, usage string) cli.Flag {
	return &cli.StringFlag{Name: "index-dir", Usage: usage, Destination: to, TakesFile: true}
}

// MaxDuration is the time after which a run stops; the next run resumes there. 0 means no
// limit.
type MaxDuration time.Duration

// Flag returns -max-duration.
func (d *MaxDuration) Flag(usage string) cli.Flag {
	return &cli.DurationFlag{Name: "max-duration", Usage: usage, Destination: (*time.Duration)(d)}
}

// Check rejects a negative duration.
func (d MaxDuration) Check() error {
	if d < 0 {
		return Usagef("-max-duration is %v, want 0 (no limit) or more", time.Duration(d))
	}
	return nil
}
