package download

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

const (
	// pieceSize is what is read, written and hashed at a time, in bytes: it stays in the
	// cache of a processor while it passes.
	pieceSize = 256 << 10
	// pieces bounds those that are under way.
	pieces = 16
	// ahead bounds how far the bytes may be ahead of the check, in bytes, so that it finds
	// them in memory.
	ahead = 64 << 20
	// syncEvery is after how many bytes the disk begins to keep them, beside the rest of the
	// work: else all of it would be left for the end.
	syncEvery = 32 << 20
)

// flow is a file that is coming, as its check sees it. It implements io.ReaderAt, for any
// number of goroutines.
type flow struct {
	file durable.File
	hash hash.Hash // of what has come; the pump's until that is closed

	mu      sync.Mutex
	changed sync.Cond // any of what follows
	arrived int64     // bytes in the file
	asked   int64     // bytes up to where the check has asked for
	left    bool      // the check is over
	ended   bool      // nothing more comes
	err     error     // why
	told    bool      // the check was told
}

func newFlow(file durable.File) *flow {
	f := &flow{file: file, hash: sha256.New()}
	f.changed.L = &f.mu
	return f
}

// ReadAt waits for the bytes.
func (f *flow) ReadAt(p []byte, off int64) (int, error) {
	if err := f.await(off + int64(len(p))); err != nil {
		return 0, err
	}
	return f.file.ReadAt(p, off)
}

func (f *flow) await(end int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked < end {
		f.asked = end
		f.changed.Broadcast()
	}
	for f.arrived < end && !f.ended {
		f.changed.Wait()
	}
	if f.arrived < end && f.err != nil {
		f.told = true
		return f.err
	}
	return nil
}

// came says that bytes are in the file, and waits while the check is far behind.
func (f *flow) came(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrived += int64(n)
	f.changed.Broadcast()
	for f.arrived > f.asked+ahead && !f.left && !f.ended {
		f.changed.Wait()
	}
}

// leave says that the check is over.
func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
	f.changed.Broadcast()
}

// end says that nothing more comes, and why if that is not all.
func (f *flow) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended, f.err = true, err
	}
	f.changed.Broadcast()
}

// failed reports whether the check lacked bytes: what it has found then says nothing.
func (f *flow) failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

// sum is the checksum of what has come, once the pump is closed.
func (f *flow) sum() crate.Checksum { return crate.Checksum(f.hash.Sum(nil)) }

// pump writes what comes and hashes it, each in a goroutine of its own beside the one
// that receives, and has the disk keep it meanwhile.
type pump struct {
	flow *flow
	free chan *piece
	disk chan *piece // to be written
	sums chan *piece // to be hashed
	sync chan struct{}
	wg   sync.WaitGroup

	broken chan struct{} // closed after the first error
	once   sync.Once
	err    error // read after broken is closed
}

// piece is some bytes that come.
type piece struct {
	memory [pieceSize]byte
	data   []byte
	write  bool         // they are not in the file yet
	owners atomic.Int32 // that have not done with it
}

// newPump starts the goroutines; close ends them.
func newPump(f *flow) *pump {
	p := &pump{
		flow: f, free: make(chan *piece, pieces), disk: make(chan *piece, pieces), sums: make(chan *piece, pieces),
		sync: make(chan struct{}, 1), broken: make(chan struct{}),
	}
	for range pieces {
		p.free <- nil // made when there is use for it
	}
	p.wg.Go(p.write)
	p.wg.Go(func() {
		for x := range p.sums {
			f.hash.Write(x.data)
			p.release(x)
		}
	})
	p.wg.Go(func() {
		for range p.sync {
			p.fail(f.file.Sync())
		}
	})
	return p
}

func (p *pump) write() {
	defer close(p.sync)
	unsynced := 0
	for x := range p.disk {
		if x.write && !p.isBroken() {
			_, err := p.flow.file.Write(x.data)
			p.fail(err)
			unsynced += len(x.data)
		}
		n := len(x.data)
		p.release(x)
		if !p.isBroken() {
			p.flow.came(n)
		}
		if unsynced >= syncEvery {
			select {
			case p.sync <- struct{}{}:
				unsynced = 0
			default: // it is at it
			}
		}
	}
}

func (p *pump) release(x *piece) {
	if x.owners.Add(-1) == 0 {
		p.free <- x
	}
}

func (p *pump) fail(err error) {
	if err != nil {
		p.once.Do(func() {
			p.err = err
			close(p.broken)
		})
	}
}

func (p *pump) isBroken() bool {
	select {
	case <-p.broken:
		return true
	default:
		return false
	}
}

// copy takes at most most bytes of r, to be written or only to be hashed, and returns how
// many it took. It ends without an error if there are so many. Errors: those of r; that
// of the disk.
func (p *pump) copy(ctx context.Context, r io.Reader, most int64, write bool) (n int64, err error) {
	for n < most && err == nil {
		var x *piece
		select {
		case x = <-p.free:
		case <-p.broken:
			return n, p.err
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
		if x == nil {
			x = new(piece)
		}
		var got int
		got, err = io.ReadFull(r, x.memory[:min(pieceSize, most-n)])
		if got == 0 {
			p.free <- x
			continue
		}
		n += int64(got)
		x.data, x.write = x.memory[:got], write
		x.owners.Store(2)
		p.disk <- x
		p.sums <- x
	}
	return n, err
}

// close waits until all is written and hashed. Error: that of the disk.
func (p *pump) close() error {
	close(p.disk)
	close(p.sums)
	p.wg.Wait()
	if p.isBroken() {
		return p.err
	}
	return nil
}
