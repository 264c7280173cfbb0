// Package settings reads the settings of a mirror from the file clonecratesio.toml in its
// folder. Each key is the name of a flag. Keys above the first table are for all commands
// with that flag; a table is for the command with its name.
//
//	contact = "ops@example.org"
//	bundle = true
//	crates = "wanted.txt"        # paths are relative to the folder of the file
//
//	[sync]
//	every = "10m"
//	index-changes = ["rss", "old-index"]
//
// Flags specific to a command, which have no title in its help, are allowed only in its
// table, because the same name may mean something else for another command. Flags on the
// command line win, then the environment, then the table, then keys above it. An unknown
// key is an error: a mirror that does not do what its file says is worse than one that does
// nothing.
package settings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tomlfile"
)

// Name is the name of the file.
const Name = "clonecratesio.toml"

// maxSize bounds the file, in bytes: there are about a hundred flags.
const maxSize = 64 << 10

// mirrorFlag is the flag of all commands that read the file.
const mirrorFlag = "mirror"

// never lists the flags that the file cannot have.
var never = []string{mirrorFlag, "help", "version", "json"}

// A Setting is a value for a flag of a command.
type Setting struct {
	Flag  string
	Words []string // as after the flag; several if it may be repeated
	Line  int      // in the file
}

// Reads reports whether a command reads the file, as those with the folders of a mirror do.
func Reads(cmd *cli.Command) bool {
	return flagOf(cmd, mirrorFlag) != nil && flagOf(cmd, "index-dir") != nil
}

// Apply sets flags of the called command cmd from the file of its mirror, unless they were
// given or are in the environment.
func Apply(ctx context.Context, cmd *cli.Command) error {
	if !Reads(cmd) {
		return nil
	}
	list, err := Read(cmd.Root(), cmd, cmd.String(mirrorFlag))
	if err != nil {
		return err
	}
	for _, s := range list {
		flag := flagOf(cmd, s.Flag)
		if flag.IsSet() {
			continue
		}
		for _, word := range s.Words {
			if err := cmd.Set(s.Flag, word); err != nil {
				return flags.Usagef("%s:%d: %s: %w", path(cmd.String(mirrorFlag)), s.Line, s.Flag, err)
			}
		}
		if acts, ok := flag.(cli.ActionableFlag); ok {
			if err := acts.RunAction(ctx, cmd); err != nil {
				return err
			}
		}
	}
	return nil
}

func path(mirror string) string { return filepath.Join(mirror, Name) }

// Read returns the settings for a command of root from the file in the folder of a mirror;
// none if there is no file.
func Read(root, cmd *cli.Command, mirror string) ([]Setting, error) {
	data, err := load(path(mirror))
	if data == nil || err != nil {
		return nil, err
	}
	table, err := tomlfile.Parse(data)
	if err == nil {
		r := reader{root: root, cmd: cmd, folder: mirror}
		r.read(table)
		if err = r.Err(); err == nil {
			return r.settings, nil
		}
	}
	if wrong := new(tomlfile.Error); errors.As(err, &wrong) {
		wrong.File = path(mirror)
	}
	return nil, &flags.UsageError{Err: err}
}

// load reads the file; nil if there is none.
func load(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a FIFO would block
		return nil, fmt.Errorf("%s is no file", name)
	}
	if err := checkOwner(info); err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = fmt.Errorf("%s has more than %s", name, human.Size(maxSize))
	}
	if data == nil {
		data = []byte{}
	}
	return data, err
}

// reader reads the settings of a command from the file, and checks those of all others.
type reader struct {
	tomlfile.Decoder
	root, cmd *cli.Command
	folder    string
	settings  []Setting
}

func (r *reader) read(t *tomlfile.Table) {
	var commands []*cli.Command
	for _, cmd := range r.root.Commands {
		if Reads(cmd) {
			commands = append(commands, cmd)
		}
	}
	for _, key := range t.Keys() {
		if t.IsTable(key) {
			continue
		}
		words := r.Words(t, key)
		if slices.Contains(never, key) {
			r.Fail(t.LineOf(key), "%s is given on the command line alone", key)
			continue
		}
		if !r.shared(commands, key, t.LineOf(key)) {
			continue
		}
		if flag := flagOf(r.cmd, key); flag != nil && titled(flag) && r.lacks(key) {
			r.take(flag, key, words, t.LineOf(key))
		}
	}
	for _, cmd := range commands {
		if sub := r.Table(t, cmd.Name); sub != nil {
			r.readTable(sub, cmd)
		}
	}
	r.Rest(t)
}

// shared reports whether a key may be above the tables.
func (r *reader) shared(commands []*cli.Command, key string, line int) bool {
	var own, names []string
	for _, cmd := range commands {
		switch flag := flagOf(cmd, key); {
		case flag == nil:
		case titled(flag):
			return true
		default:
			own = append(own, cmd.Name)
		}
		for _, flag := range cmd.Flags {
			names = append(names, flag.Names()[0])
		}
	}
	if len(own) > 0 {
		r.Fail(line, "%s is a command's own: write it below [%s]", key, strings.Join(own, "] or ["))
		return false
	}
	r.Fail(line, "there is no flag %q%s", key, human.DidYouMean(human.Nearest(names, key)))
	return false
}

// readTable reads the table of a command.
func (r *reader) readTable(t *tomlfile.Table, cmd *cli.Command) {
	var names []string
	for _, flag := range cmd.Flags {
		names = append(names, flag.Names()[0])
	}
	for _, key := range t.Keys() {
		line, words := t.LineOf(key), r.Words(t, key)
		flag := flagOf(cmd, key)
		switch {
		case slices.Contains(never, key):
			r.Fail(line, "%s is given on the command line alone", key)
		case flag == nil:
			r.Fail(line, "%s has no flag %q%s", cmd.Name, key, human.DidYouMean(human.Nearest(names, key)))
		case cmd.Name == r.cmd.Name:
			r.settings = slices.DeleteFunc(r.settings, func(s Setting) bool { return s.Flag == key })
			r.take(flag, key, words, line)
		}
	}
}

// lacks reports whether a flag was not given.
func (r *reader) lacks(flag string) bool {
	return !slices.ContainsFunc(r.settings, func(s Setting) bool { return s.Flag == flag })
}

// take adds a setting; paths are relative to the folder of the file.
func (r *reader) take(flag cli.Flag, name string, words []string, line int) {
	if len(words) > 1 && !repeats(flag) {
		r.Fail(line, "%s: want one value", name)
		return
	}
	if takesFile(flag) {
		for i, word := range words {
			words[i] = fromFolder(r.folder, word)
		}
	}
	r.settings = append(r.settings, Setting{Flag: name, Words: words, Line: line})
}
