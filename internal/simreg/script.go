package simreg

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// script is the faults to come, and the counts of what has happened.
type script struct {
	mu       sync.Mutex
	faults   map[crate.ID][]*pending
	chaos    *chaos // nil if there is none
	requests map[crate.ID]int
	total    int
	index    int
	injected map[string]int // by Fault.String
	random   *rand.Rand     // decides for those with a Share
}

// pending is an injected fault that is not used up.
type pending struct {
	Fault
	skip, left int // left is negative for no end
}

type chaos struct {
	seed  uint64
	share float64
	kinds []Kind
	met   map[crate.ID]bool
}

func (s *script) init(seed uint64) {
	s.random = rand.New(rand.NewPCG(seed, 1))
	s.faults = make(map[crate.ID][]*pending)
	s.requests = make(map[crate.ID]int)
	s.injected = make(map[string]int)
}

func newPending(f Fault) *pending {
	p := &pending{Fault: f, skip: f.After, left: f.Times}
	if f.Times == 0 {
		p.left = 1
	}
	return p
}

// request counts a request for the crate file of id.
func (s *script) request(id crate.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[id]++
	s.total++
}

// fault returns the fault for a request for the crate file of id, or nil.
func (s *script) fault(id crate.ID) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.take(id, false)
	if f == nil {
		f = s.take(All, false)
	}
	if f == nil {
		f = s.chaos.strike(id)
	}
	return s.count(f)
}

// connection returns the fault for a new connection, or nil.
func (s *script) connection() *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count(s.take(All, true))
}

// count counts f, which may be nil.
func (s *script) count(f *Fault) *Fault {
	if f != nil {
		s.injected[f.String()]++
	}
	return f
}

// take uses the first fault of id that concerns connections, or requests, once.
func (s *script) take(id crate.ID, connections bool) *Fault {
	for i, p := range s.faults[id] {
		switch {
		case (p.Kind == StallConnect) != connections:
			continue
		case p.Share > 0 && s.random.Float64() >= p.Share:
			continue
		case p.skip > 0:
			p.skip--
			return nil
		case p.left > 0:
			p.left--
		}
		if p.left == 0 {
			s.faults[id] = append(s.faults[id][:i:i], s.faults[id][i+1:]...)
		}
		return &p.Fault
	}
	return nil
}

// strike decides only by the hash of seed and id.
func (c *chaos) strike(id crate.ID) *Fault {
	if c == nil || c.met[id] {
		return nil
	}
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64(nil, c.seed))
	h.Write([]byte(id.String()))
	rng := rand.New(rand.NewPCG(h.Sum64(), c.seed))
	if rng.Float64() >= c.share {
		return nil
	}
	c.met[id] = true
	return &Fault{Kind: c.kinds[rng.IntN(len(c.kinds))]}
}

func (s *script) requestIndex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index++
}

// Requests returns the number of requests for the crate file of id.
func (r *Registry) Requests(id crate.ID) int {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	return r.script.requests[id]
}

// TotalRequests returns the number of requests for crate files.
func (r *Registry) TotalRequests() int {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	return r.script.total
}

// IndexRequests returns the number of requests for files of the sparse index.
func (r *Registry) IndexRequests() int {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	return r.script.index
}

// Injected returns how often a fault of that kind happened.
func (r *Registry) Injected(kind Kind) int {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	n := 0
	for name, times := range r.script.injected {
		if head, _, _ := strings.Cut(name, " "); head == string(kind) {
			n += times
		}
	}
	return n
}

// Sent returns how often each fault happened, with the status if it has one.
func (r *Registry) Sent() map[string]int {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	return maps.Clone(r.script.injected)
}
