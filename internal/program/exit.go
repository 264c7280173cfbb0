package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/manual"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Exit codes. They are part of the contract with scripts.
const (
	ExitOK         = 0
	ExitFailure    = 1
	ExitUsage      = 2
	ExitIncomplete = verdict.ExitIncomplete
	ExitIntegrity  = 4
	ExitNoMirror   = 10
	ExitLocked     = 11
	ExitNoSpace    = 12
)

// UsageOf adds the usage line of the command to a usage error.
func UsageOf(cmd *cli.Command, err error) error {
	if usage := new(flags.UsageError); errors.As(err, &usage) {
		usage.Cmd = cmd
	}
	return err
}

// OnUsageError turns an error of the flag parser into a usage error.
func OnUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	return manual.UsageError(cmd, err)
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "stopped by " + e.signal.String() }

func (e *signalError) code() int {
	if e.signal == syscall.SIGTERM {
		return 143
	}
	return 130
}

// ExitCode maps an error to the exit code of the program. The order matters if an error is
// several things at once: what an operator must do first comes first.
func ExitCode(err error) int {
	var signal *signalError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, new(*flags.UsageError)):
		return ExitUsage
	case errors.As(err, new(*home.NoMirrorError)), errors.Is(err, root.ErrNoMirror):
		return ExitNoMirror
	case errors.As(err, new(*durable.HeldError)), errors.As(err, new(*root.HeldError)), errors.Is(err, root.ErrFenced):
		return ExitLocked
	case errors.Is(err, durable.ErrNoSpace):
		return ExitNoSpace
	case errors.As(err, &signal):
		return signal.code()
	case errors.As(err, new(*verdict.IntegrityError)):
		return ExitIntegrity
	case errors.As(err, new(*verdict.IncompleteError)), errors.As(err, new(*upstream.StoppedError)), errors.As(err, new(*index.ShrinkError)):
		return ExitIncomplete
	}
	return ExitFailure
}

// Hint returns what to do about an error, or "".
func Hint(err error) string {
	var noMirror *home.NoMirrorError
	switch {
	case errors.As(err, &noMirror) && noMirror.Crates:
		return "make the catalog from the files, which asks no network: " + flags.CommandToReindex(&noMirror.Dirs)
	case noMirror != nil:
		return "name the folder with -mirror (or -out, if the crates are elsewhere), or make a mirror first: clonecratesio sync"
	case errors.As(err, new(*durable.HeldError)):
		return "wait until it has ended, or give this run another -out"
	case errors.As(err, new(*root.HeldError)):
		return "wait until it has ended; if it has died, the lease ends by itself"
	case errors.Is(err, durable.ErrNoSpace):
		return "free some space (or inodes) there, then run the same command again to resume"
	case errors.As(err, new(*signalError)), errors.As(err, new(*upstream.StoppedError)):
		return "nothing is lost: run the same command again to resume"
	case errors.As(err, new(*stream.Error)):
		return "what is stored stays; look why its reader ended, start it again, and run the same command again"
	case errors.Is(err, catalog.ErrDamaged):
		return "rebuild the catalog from the stored files: clonecratesio reindex"
	case errors.As(err, new(*clone.ForeignError)):
		return "" // it says what to do
	case errors.As(err, new(*clone.UpdateError)):
		return "nothing was changed; -skip-index-update uses the index as it is, -index-url gets it from elsewhere"
	case errors.Is(err, durable.ErrReadOnly):
		return "mount the file system read-write, or give another -out"
	case errors.Is(err, fs.ErrPermission):
		return permissionHint(err)
	}
	return ""
}

// permissionHint returns which permission is missing, as far as the operation shows.
func permissionHint(err error) string {
	var listening *net.OpError
	if errors.As(err, &listening) {
		return "ports below 1024 are for root, or for a program with CAP_NET_BIND_SERVICE: give another one"
	}
	if path := new(fs.PathError); errors.As(err, &path) && slices.Contains(readingOps, path.Op) {
		return "give the user who runs this the right to read there (of a folder: to enter it)"
	}
	return "give the user who runs this the right to write there"
}

// readingOps are operations of package os that change nothing; a file to be written is made
// or locked first.
var readingOps = []string{"open", "stat", "lstat", "statat", "read", "readdir", "openat", "fstatat"}

// reportJSON writes err as the last line of a JSON log, and returns the exit code.
func reportJSON(stderr io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	code := ExitCode(err)
	attrs := []any{"err", human.OneLine(err), "exit_code", code}
	if h := Hint(err); h != "" {
		attrs = append(attrs, "hint", h)
	}
	slog.New(slog.NewJSONHandler(stderr, nil)).Error("the run has failed", attrs...)
	return code
}

// report writes err to stderr and returns the exit code.
func (a *App) report(name string, err error) int {
	if err == nil {
		return ExitOK
	}
	for line := range strings.Lines(err.Error()) { // errors.Join makes lines
		fmt.Fprintf(a.Stderr, "%s: %s\n", name, human.Printable(strings.TrimSuffix(line, "\n")))
	}
	var usage *flags.UsageError
	if errors.As(err, &usage) && usage.Cmd != nil {
		fmt.Fprintf(a.Stderr, "usage: %s\n       %s -help lists the options\n", manual.Synopsis(usage.Cmd), usage.Cmd.FullName())
	}
	if h := Hint(err); h != "" {
		fmt.Fprintf(a.Stderr, "%s: %s\n", name, h)
	}
	return ExitCode(err)
}
