package packed

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
)

// packIdle is how long decoded packs are kept without a request: builds request several
// versions of a crate together, or only one.
const packIdle = 2 * time.Minute

// UsualPacks is a server's memory for decoded packs, in bytes: any pack fits.
const UsualPacks = deep.MaxGiant

// packs are the most recently used decoded packs, in memory of bounded size. Concurrent
// requests for versions of a pack share one decoding. Its methods may be called
// concurrently.
type packs struct {
	max int64 // bytes

	mu    sync.Mutex // guards what follows
	used  int64      // bytes
	known map[crate.Checksum]*list.Element
	order list.List // of *decoding, the most recently used last
	idle  *time.Timer
}

// decoding is a pack that is decoded, or being decoded.
type decoding struct {
	sum  crate.Checksum
	size int64
	done chan struct{} // closed when what follows is known
	pack *deep.Decoded
	err  error
}

// errGivenUp is the error of a decoding that did not complete, for the other waiters.
var errGivenUp = errors.New("decoding was cancelled")

// take returns a pack of at most max bytes, from memory or decoded now, and whether it was
// in memory. Errors: those of decode; the context's.
func (p *packs) take(ctx context.Context, d *deep.Directory, decode func() (*deep.Decoded, error)) (pack *deep.Decoded, kept bool, err error) {
	now, first := p.enter(d)
	if first {
		pack, err = p.decode(now, decode)
		return pack, false, err
	}
	select {
	case <-now.done:
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	if now.err != nil { // for its own reason: its callers were cancelled
		pack, err = decode()
		return pack, false, err
	}
	return now.pack, true, nil
}

// enter adds a pack that is not there and makes room for it; first is then true.
func (p *packs) enter(d *deep.Directory) (now *decoding, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = time.AfterFunc(packIdle, p.forgetAll)
	}
	p.idle.Reset(packIdle)
	if el, ok := p.known[d.Sum()]; ok {
		p.order.MoveToBack(el)
		return el.Value.(*decoding), false
	}
	for p.used+d.Content > p.max {
		p.remove(p.order.Front())
	}
	now = &decoding{sum: d.Sum(), size: d.Content, done: make(chan struct{}), err: errGivenUp}
	if p.known == nil {
		p.known = map[crate.Checksum]*list.Element{}
	}
	p.known[now.sum] = p.order.PushBack(now)
	p.used += now.size
	return now, true
}

// decode decodes for all waiters. A failure or panic is not kept.
func (p *packs) decode(now *decoding, decode func() (*deep.Decoded, error)) (*deep.Decoded, error) {
	defer func() {
		if now.err != nil {
			p.forget(now)
		}
		close(now.done)
	}()
	now.pack, now.err = decode()
	return now.pack, now.err
}

func (p *packs) forget(now *decoding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if el, ok := p.known[now.sum]; ok && el.Value == now {
		p.remove(el)
	}
}

// forgetAll drops all packs. Rebuilds that use them continue.
func (p *packs) forgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.order.Len() > 0 {
		p.remove(p.order.Front())
	}
}

// remove removes a pack. The caller holds mu.
func (p *packs) remove(el *list.Element) {
	now := el.Value.(*decoding)
	p.order.Remove(el)
	delete(p.known, now.sum)
	p.used -= now.size
}

// close removes all packs, and stops the timer.
func (p *packs) close() {
	p.forgetAll()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle != nil {
		p.idle.Stop()
	}
}
