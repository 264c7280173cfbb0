package durabletest

import (
	"errors"
	"io/fs"
	"maps"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A step is one entry of the journal: changes of names that happen together or not at all.
// A rename is two changes.
type step []change

// change sets what a name refers to; the zero entry: nothing.
type change struct {
	dir  *node
	name string
	to   entry
}

// slot is where a change happens.
type slot struct {
	dir  *node
	name string
}

// apply carries out an operation and adds it to the journal.
func (m *Mem) apply(changes ...change) {
	for _, c := range changes {
		if c.dir.disk == nil {
			c.dir.disk = maps.Clone(c.dir.names)
		}
		set(c.dir.names, c)
	}
	m.journal = append(m.journal, changes)
}

func set(names map[string]entry, c change) {
	if c.to.node == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.to
	}
}

// harden makes operations durable.
func harden(s step) {
	for _, c := range s {
		set(c.dir.disk, c)
	}
}

// Publish implements durable.FS.
func (m *Mem) Publish(temp, name string) error {
	return m.move("publish", temp, name, func(there *node) error {
		if there != nil {
			return fs.ErrExist
		}
		return nil
	})
}

// Replace implements durable.FS.
func (m *Mem) Replace(temp, name string) error {
	return m.move("replace", temp, name, func(there *node) error {
		if there != nil && there.isDir() {
			return durable.ErrNotRegular
		}
		return nil
	})
}

// move renames temp to name if allowed accepts what is there.
func (m *Mem) move(op, temp, name string, allowed func(there *node) error) error {
	if err := m.lock(op, temp, name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	fail := func(err error) error {
		if e, ok := err.(*fs.PathError); ok {
			err = e.Err
		}
		return &os.LinkError{Op: op, Old: temp, New: name, Err: err}
	}
	from, tempBase, err := m.parent(op, temp)
	if err != nil {
		return fail(err)
	}
	to, base, err := m.parent(op, name)
	if err != nil {
		return fail(err)
	}
	n := from.names[tempBase].node
	if n == nil {
		return fail(fs.ErrNotExist)
	}
	if n.isDir() {
		return fail(durable.ErrNotRegular)
	}
	if err := allowed(to.names[base].node); err != nil {
		return fail(err)
	}
	n.final = true
	m.apply(change{from, tempBase, entry{}}, change{to, base, entry{node: n, final: op == "publish"}})
	return nil
}

// Remove implements durable.FS.
func (m *Mem) Remove(name string) error {
	if err := m.lock("remove", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	e, ok := dir.names[base]
	if !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if len(e.node.names) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: errNotEmpty}
	}
	m.apply(change{dir, base, entry{}})
	return nil
}

var errNotEmpty = errors.New("directory not empty")

// SyncDir implements durable.FS. It makes the changes in the folder durable, and earlier
// changes of the same names: if only the later operation were on disk, the earlier one
// could undo it.
func (m *Mem) SyncDir(name string) error {
	if err := m.lock("syncdir", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	e, err := m.find("syncdir", name)
	if err != nil {
		return err
	}
	if !e.node.isDir() {
		return &fs.PathError{Op: "syncdir", Path: name, Err: errNotDir}
	}
	needed := map[slot]bool{}
	hard := make([]bool, len(m.journal))
	for i := len(m.journal) - 1; i >= 0; i-- {
		for _, c := range m.journal[i] {
			hard[i] = hard[i] || c.dir == e.node || needed[slot{c.dir, c.name}]
		}
		if hard[i] {
			for _, c := range m.journal[i] {
				needed[slot{c.dir, c.name}] = true
			}
		}
	}
	var left []step
	for i, s := range m.journal {
		if hard[i] {
			harden(s)
		} else {
			left = append(left, s)
		}
	}
	m.journal = left
	return nil
}

// SyncAll implements durable.FS.
func (m *Mem) SyncAll() error {
	if err := m.lock("syncall"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.NoSyncAll {
		return &fs.PathError{Op: "syncall", Path: ".", Err: errors.ErrUnsupported}
	}
	for _, s := range m.journal {
		for _, c := range s {
			c.dir.disk = nil
		}
	}
	m.journal = nil
	m.root.syncTree()
	return nil
}

func (n *node) syncTree() {
	if !n.isDir() {
		n.sync()
	}
	for _, e := range n.names {
		e.node.syncTree()
	}
}
