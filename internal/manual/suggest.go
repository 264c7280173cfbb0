package manual

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// NoCommand returns the error for an unknown command, with the name that was probably meant.
func NoCommand(cmd *cli.Command, name string) error {
	var names []string
	for _, sub := range cmd.VisibleCommands() {
		names = append(names, sub.Names()...)
	}
	err := fmt.Errorf("there is no command %q%s", name, human.DidYouMean(human.Nearest(names, name)))
	return &flags.UsageError{Cmd: cmd, Err: err}
}

// UsageError returns the flag parser's error, with the flag that was probably meant.
func UsageError(cmd *cli.Command, err error) error {
	if name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown {
		var names []string
		for _, flag := range cmd.VisibleFlags() {
			names = append(names, flag.Names()...)
		}
		meant := human.Nearest(names, strings.TrimLeft(name, "-"))
		if meant != "" {
			meant = "-" + meant
		}
		err = fmt.Errorf("there is no flag -%s%s", strings.TrimLeft(name, "-"), human.DidYouMean(meant))
	}
	return &flags.UsageError{Cmd: cmd, Err: err}
}
