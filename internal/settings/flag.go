package settings

import (
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
)

// flagOf returns the flag of a command with a name, or nil.
func flagOf(cmd *cli.Command, name string) cli.Flag {
	i := slices.IndexFunc(cmd.Flags, func(f cli.Flag) bool { return f.Names()[0] == name })
	if i < 0 {
		return nil
	}
	return cmd.Flags[i]
}

// titled reports whether a flag is under a title in the help: such flags mean the same for
// all commands.
func titled(flag cli.Flag) bool {
	c, ok := flag.(cli.CategorizableFlag)
	return ok && c.GetCategory() != ""
}

func repeats(flag cli.Flag) bool {
	multi, ok := flag.(cli.DocGenerationMultiValueFlag)
	return ok && multi.IsMultiValueFlag()
}

func takesFile(flag cli.Flag) bool {
	switch f := flag.(type) {
	case *cli.StringFlag:
		return f.TakesFile
	case *cli.StringSliceFlag:
		return f.TakesFile
	}
	return false
}

// fromFolder returns a path in the file relative to where the program runs. It may have the
// prefix NAME=.
func fromFolder(folder, word string) string {
	name, file := flags.NamedFile(word)
	if file == "" || file == "-" || filepath.IsAbs(file) {
		return word
	}
	if file = filepath.Join(folder, file); name != "" {
		return name + "=" + file
	}
	return file
}
