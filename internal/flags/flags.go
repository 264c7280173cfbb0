// Package flags defines flags that commands share: a struct for each group, with the
// methods Flags, which returns them for the parser, Check, which rejects invalid values
// before anything is touched, and one that makes the configuration of the package that they
// are about. Flags of a single command are in package cli.
package flags

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v3"
)

// UsageError reports wrong usage: exit code 2, with the usage line.
type UsageError struct {
	Cmd *cli.Command // nil until it is known
	Err error
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a *UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// Emptyf returns the error of a selection that selects nothing.
func Emptyf(format string, args ...any) error {
	return Usagef(format+"; if an empty choice is meant, give -allow-empty", args...)
}

// Titles of the groups of flags in the help of commands; flags without one are "Options".
const (
	folders  = "Folders"
	theIndex = "Index"
	Choice   = "What to mirror"
	Storage  = "Storage"
	remote   = "Bucket"
	requests = "Upstream and requests"
	logging  = "Log and progress"
)

// under puts flags under a title.
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

// MaxDuration is the time after which a run stops, for the next one to resume; 0: when all
// is done.
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
