package durable

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Owner says who holds a lock, for people to read; the operating system knows whether it is
// held.
type Owner struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Start   time.Time `json:"start"`   // when the lock was taken
	Command string    `json:"command"` // the running command, without secrets
}

// Self returns this process as the owner, running command.
func Self(command string) Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return Owner{PID: os.Getpid(), Host: host, Start: time.Now().Truncate(time.Second), Command: command}
}

// HeldError says that another process holds the lock. Owner is zero if the holder has not
// written, or could not write, who it is.
type HeldError struct {
	Path  string
	Owner Owner
}

func (e *HeldError) Error() string {
	if e.Owner.PID == 0 {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	// %q: the file is untrusted.
	return fmt.Sprintf("%s is locked by process %d on host %q since %s, running %q",
		e.Path, e.Owner.PID, e.Owner.Host, e.Owner.Start.Format(time.RFC3339), e.Owner.Command)
}

// Lockfile is a lock that is held.
type Lockfile struct {
	// Killed is the previous holder of the lock, if it never released it: that process was
	// killed, or the power failed, in the middle of its work. Zero: none.
	Killed Owner
	f      *os.File
}

// File returns the open file for a child process to inherit. The child then holds the lock,
// too, for as long as it lives, however its parent ends. On Windows, children do not
// inherit files.
func (l *Lockfile) File() *os.File { return l.f }

// maxLockfile bounds what is read from, and overwritten in, a lock file.
const maxLockfile = 4096

// Lock takes the lock at path, which is a path of the system, not a name of an FS. If it is
// held, Lock returns a *HeldError at once.
//
// The lock belongs to the open file and ends with the process, so what an earlier holder
// left in the file is no obstacle (C22). It also excludes a second Lock in the same
// process. The file stays when the lock is released: if it were removed, one process could
// hold the removed file while another locks a new one.
func Lock(path string, owner Owner) (*Lockfile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|lockFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err = Touch(path); err == nil {
			f, err = os.OpenFile(path, os.O_RDWR|lockFlags, 0)
		}
	}
	if err != nil {
		return nil, PathError("lock", path, notRegular(err))
	}
	killed, err := take(f, path, owner)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Lockfile{Killed: killed, f: f}, nil
}

func take(f *os.File, path string, owner Owner) (killed Owner, err error) {
	info, err := f.Stat()
	if err != nil {
		return killed, PathError("lock", path, err)
	}
	if !info.Mode().IsRegular() {
		return killed, PathError("lock", path, ErrNotRegular)
	}
	if info.Size() > maxLockfile {
		return killed, fmt.Errorf("lock %s: the file has %d bytes, it is no lock file", path, info.Size())
	}
	if err := flock(f); errors.Is(err, errLocked) {
		return killed, &HeldError{Path: path, Owner: readOwner(f)}
	} else if err != nil {
		return killed, PathError("lock", path, err)
	}
	if info.Size() > 0 {
		killed = readOwner(f)
	}
	// On a full disk the lock is held without an owner in it: the command may be one that
	// makes room.
	if err := writeOwner(f, owner); err != nil && !errors.Is(err, ErrNoSpace) {
		return killed, err
	}
	return killed, nil
}

func writeOwner(f *os.File, owner Owner) error {
	text, err := json.Marshal(owner)
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err != nil {
		return translate(err)
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return translate(err)
}

// readOwner reads who holds the lock. A holder writes that immediately after taking it, so
// an empty file is read a second time.
func readOwner(f *os.File) Owner {
	const looks, pause = 5, 10 * time.Millisecond
	var owner Owner
	for range looks {
		text, err := io.ReadAll(io.NewSectionReader(f, 0, maxLockfile))
		if err == nil && json.Unmarshal(text, &owner) == nil {
			return owner
		}
		time.Sleep(pause)
	}
	return Owner{}
}

// Release releases the lock.
func (l *Lockfile) Release() error {
	// An empty file does not name a process that has ended. If that fails, the lock is
	// released anyway.
	return translate(cmp.Or(l.f.Truncate(0), l.f.Close()))
}
