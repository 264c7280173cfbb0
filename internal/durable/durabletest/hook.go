package durabletest

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Kind is the kind of an operation: a method of durable.FS or durable.File.
type Kind string

// The operations that Hook sees. It does not see Seek, File.Stat and FS.Close, which do not
// reach a disk.
const (
	OpOpen     Kind = "open"
	OpCreate   Kind = "create"
	OpAppend   Kind = "append"
	OpStat     Kind = "stat"
	OpReadDir  Kind = "readdir"
	OpMkdir    Kind = "mkdir"
	OpPublish  Kind = "publish"
	OpReplace  Kind = "replace"
	OpRemove   Kind = "remove"
	OpLink     Kind = "link"
	OpSyncDir  Kind = "syncdir"
	OpSyncAll  Kind = "syncall"
	OpFree     Kind = "free"
	OpRead     Kind = "read" // Read and ReadAt
	OpWrite    Kind = "write"
	OpTruncate Kind = "truncate"
	OpSync     Kind = "sync"
	OpClose    Kind = "close"
)

// Op is one operation.
type Op struct {
	N    int // from 1
	Kind Kind
	Name string // of the file, as it was opened, or of the folder
	To   string // the final name of Publish and Replace
}

func (o Op) String() string {
	if o.To != "" {
		return fmt.Sprintf("operation %d: %s %s to %s", o.N, o.Kind, o.Name, o.To)
	}
	return fmt.Sprintf("operation %d: %s %s", o.N, o.Kind, o.Name)
}

// Fault is what happens to an operation. The zero Fault is none.
type Fault struct {
	// Err is returned instead of the result.
	Err error
	// Persisted carries out the operation anyway, as when the answer of a network file
	// system is lost. Otherwise it is not carried out, except for the first half of a
	// write, as on a disk that becomes full.
	Persisted bool
}

// Hooked is a durable.FS that calls a function before each operation to determine what
// happens to it. It also enforces the rule that a file is unusable after a failed write or
// sync:
//
//   - after one of Write, Truncate and Sync of a file failed, they fail again;
//   - so do Publish and Replace of it, until it is made or opened again;
//   - SyncAll always fails once it failed, as it may have been any file.
type Hooked struct {
	fs   durable.FS
	hook func(Op) Fault
	ops  atomic.Int64

	mu   sync.Mutex
	dead map[string]error // names of files after a failed write or sync
	all  error            // of the first SyncAll that failed
}

var _ durable.FS = (*Hooked)(nil)

// Hook wraps fsys. It calls hook before each operation, concurrently if the program is
// concurrent; hook may also sleep, or take a Crash of a Mem beneath. A nil hook only
// counts.
func Hook(fsys durable.FS, hook func(Op) Fault) *Hooked {
	if hook == nil {
		hook = func(Op) Fault { return Fault{} }
	}
	return &Hooked{fs: fsys, hook: hook, dead: map[string]error{}}
}

// FailAt makes the n-th operation return err; if sticky, all later ones, too. To try every
// operation of a program, increase n until Ops is less than n.
func FailAt(fsys durable.FS, n int, err error, sticky, persisted bool) *Hooked {
	return Hook(fsys, func(op Op) Fault {
		if op.N == n || sticky && op.N > n {
			return Fault{Err: fmt.Errorf("injected at %v: %w", op, err), Persisted: persisted}
		}
		return Fault{}
	})
}

// KillAt kills this process, like SIGKILL, before its n-th operation. Tests use it when
// they run the real main in a subprocess, which wraps its FS with KillAt when the test says
// so, for example in an environment variable; the test increases n until the subprocess
// ends by itself.
func KillAt(fsys durable.FS, n int) *Hooked {
	return Hook(fsys, func(op Op) Fault {
		if op.N == n {
			killSelf()
		}
		return Fault{}
	})
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("killing process %d: %v", os.Getpid(), err))
	}
	select {} // until the signal arrives
}

// Ops returns how many operations there were.
func (h *Hooked) Ops() int { return int(h.ops.Load()) }

// ask numbers an operation and returns its fault.
func (h *Hooked) ask(kind Kind, name, to string) Fault {
	return h.hook(Op{N: int(h.ops.Add(1)), Kind: kind, Name: name, To: to})
}

// do carries out, or fails, an operation that only returns an error.
func (h *Hooked) do(kind Kind, name, to string, run func() error) error {
	fault := h.ask(kind, name, to)
	if fault.Err == nil || fault.Persisted {
		if err := run(); err != nil {
			return err
		}
	}
	if fault.Err == nil {
		return nil
	}
	return &fs.PathError{Op: string(kind), Path: name, Err: fault.Err}
}

// file carries out an operation that opens a file.
func (h *Hooked) file(kind Kind, name string, open func(string) (durable.File, error)) (durable.File, error) {
	var f durable.File
	err := h.do(kind, name, "", func() (err error) {
		f, err = open(name)
		return err
	})
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return &hookedFile{h: h, f: f, name: name}, nil
}

func (h *Hooked) setDead(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.dead, name)
	} else {
		h.dead[name] = err
	}
}

func (h *Hooked) move(kind Kind, temp, name string, move func(temp, name string) error) error {
	return h.do(kind, temp, name, func() error {
		h.mu.Lock()
		err := h.dead[temp]
		h.mu.Unlock()
		if err != nil {
			return &os.LinkError{Op: string(kind), Old: temp, New: name,
				Err: fmt.Errorf("durabletest: the file is dead: %w", err)}
		}
		return move(temp, name)
	})
}
