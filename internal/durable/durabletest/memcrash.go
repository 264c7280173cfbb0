package durabletest

import (
	"math/rand/v2"
	"slices"
)

// Crash returns what may be on the disk if power is lost now: everything durable; the
// oldest few of the operations on names that are not durable (a journal keeps their order,
// and a rename is atomic); and of the bytes that are not synced all, none, the first few,
// or zeros in their place.
//
// It may be called at any time, while others use m, which is not affected. Everything in
// the clone is durable. The same rnd gives the same disk if m saw the same operations in
// the same order.
func (m *Mem) Crash(rnd *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := map[*node][]change{}
	for _, s := range m.journal[:rnd.IntN(len(m.journal)+1)] {
		for _, c := range s {
			kept[c.dir] = append(kept[c.dir], c)
		}
	}
	// Choices about a file depend on its number, not on the random order of a map.
	seed := rnd.Uint64()
	c := &Mem{NoSyncAll: m.NoSyncAll, nextID: m.nextID}
	c.root = m.root.crashed(kept, seed)
	return c
}

func (n *node) crashed(kept map[*node][]change, seed uint64) *node {
	if !n.isDir() {
		data := n.data
		if n.stable < len(n.data) || len(n.synced) != len(n.data) {
			data = n.afterCrash(rand.New(rand.NewPCG(seed, n.id)))
		}
		data = data[:len(data):len(data)]
		return &node{id: n.id, data: data, synced: data, stable: len(data)}
	}
	disk := n.disk
	if disk == nil {
		disk = n.names
	}
	c := &node{id: n.id, names: make(map[string]entry, len(disk))}
	add := func(name string, e entry) {
		copied := e.node.crashed(kept, seed)
		copied.final = e.final
		c.names[name] = entry{copied, e.final}
	}
	changed := map[string]entry{}
	for _, k := range kept[n] {
		changed[k.name] = k.to
	}
	for name, e := range disk {
		if _, ok := changed[name]; !ok {
			add(name, e)
		}
	}
	for name, e := range changed {
		if e.node != nil {
			add(name, e)
		}
	}
	return c
}

// afterCrash chooses what is left of a file that was written to after its last sync.
func (n *node) afterCrash(rnd *rand.Rand) []byte {
	cut := n.stable + rnd.IntN(len(n.data)-n.stable+1)
	switch rnd.IntN(4) {
	case 0: // all of it
		return n.data
	case 1: // none of it; no bytes if it was never synced
		return n.synced
	case 2: // a prefix
		return n.data[:cut]
	default: // the size was written, some of the bytes were not
		return append(slices.Clone(n.data[:cut]), make([]byte, len(n.data)-cut)...)
	}
}

// Kill returns what a process finds after this one was killed (SIGKILL): everything that
// was written is there, and nothing is more durable than before. Like Crash, it may be
// called at any time.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Mem{NoSyncAll: m.NoSyncAll, nextID: m.nextID}
	k := killer{copies: map[*node]*node{}}
	c.root = k.copy(m.root)
	for _, s := range m.journal {
		copied := make(step, len(s))
		for i, ch := range s {
			copied[i] = change{k.copy(ch.dir), ch.name, k.entry(ch.to)}
		}
		c.journal = append(c.journal, copied)
	}
	return c
}

// killer copies nodes, each once: a file may be reached by its name, by an older name on
// disk and from the journal.
type killer struct{ copies map[*node]*node }

func (k killer) copy(n *node) *node {
	if c := k.copies[n]; c != nil {
		return c
	}
	c := &node{
		id: n.id, synced: n.synced, stable: n.stable, final: n.final,
		data: n.data[:len(n.data):len(n.data)],
	}
	k.copies[n] = c
	if n.isDir() {
		c.names = k.entries(n.names)
		if n.disk != nil {
			c.disk = k.entries(n.disk)
		}
	}
	return c
}

func (k killer) entries(names map[string]entry) map[string]entry {
	c := make(map[string]entry, len(names))
	for name, e := range names {
		c[name] = k.entry(e)
	}
	return c
}

func (k killer) entry(e entry) entry {
	if e.node == nil {
		return e
	}
	return entry{k.copy(e.node), e.final}
}
