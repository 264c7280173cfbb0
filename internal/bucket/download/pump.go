package download

import (
	"context"
	"io"
	"sync"
)

// pump writes, hashes and syncs pieces, each in a goroutine separate from the one that
// receives them.
type pump struct {
	flow *flow
	at   int64 // offset in the file of the next byte
	free chan *piece
	disk chan *piece // to write
	sums chan *piece // to hash
	sync chan struct{}
	wg   sync.WaitGroup

	broken chan struct{} // closed after the first error
	once   sync.Once
	err    error // read only after broken is closed
}

// newPump starts the goroutines; close ends them. If checked, it has memory for a check.
func newPump(f *flow, checked bool) *pump {
	most := underWay
	if checked {
		most += remembered
	}
	p := &pump{
		flow: f, free: make(chan *piece, most), disk: make(chan *piece, underWay), sums: make(chan *piece, underWay),
		sync: make(chan struct{}, 1), broken: make(chan struct{}),
	}
	for range most {
		p.free <- nil // allocated on first use
	}
	p.wg.Go(p.write)
	p.wg.Go(func() {
		for x := range p.sums {
			f.hash.Write(x.data)
			x.release()
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
		if p.isBroken() {
			x.release()
			continue
		}
		p.flow.came(x)
		if unsynced >= syncEvery {
			select {
			case p.sync <- struct{}{}:
				unsynced = 0
			default: // a sync is already running
			}
		}
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

// copy reads at most most bytes from r, hashes and, if write, writes them, and returns how
// many it read. It returns a nil error if it read all of them. Errors: those of
// io.ReadFull; those of the disk.
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
			x = &piece{free: p.free}
		}
		var got int
		got, err = io.ReadFull(r, x.memory[:min(pieceSize, most-n)])
		if got == 0 {
			p.free <- x
			continue
		}
		n += int64(got)
		x.data, x.at, x.write = x.memory[:got], p.at, write
		p.at += int64(got)
		x.owners.Store(2)
		p.disk <- x
		p.sums <- x
	}
	return n, err
}

// close waits until all pieces are written and hashed, and returns the disk's error.
func (p *pump) close() error {
	close(p.disk)
	close(p.sums)
	p.wg.Wait()
	if p.isBroken() {
		return p.err
	}
	return nil
}
