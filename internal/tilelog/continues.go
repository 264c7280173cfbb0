package tilelog

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// ErrNotContinued means that the leaves to append do not give the claimed tree.
var ErrNotContinued = errors.New("the log is not continued: with the leaves that were to follow it has another root")

// Continues checks that the log with more leaves has a tree, and writes nothing. A missing
// log has no leaves. Errors: ErrNotContinued; ErrDamaged; those of the leaves.
func Continues(fsys durable.Reader, leaves iter.Seq2[crate.Key, error], tree tlog.Tree) error {
	a := &Appender{dry: true, to: tree.N}
	if fsys != nil {
		l, err := Open(fsys)
		switch {
		case err == nil:
			a.size = l.N
			err = a.load(fsys)
		case errors.Is(err, fs.ErrNotExist):
			err = nil
		}
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
	}
	for key, err := range leaves {
		if err == nil {
			err = a.Add(key)
		}
		if err != nil {
			return err
		}
	}
	if (tlog.Tree{N: a.size, Hash: root(a.edge)}) != tree {
		return ErrNotContinued
	}
	return nil
}
