package pull

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// names are the names of the crates with a pulled version.
type names struct {
	added atomic.Int64 // number of them that the mirror does not hold

	mu    sync.RWMutex // guards what follows
	shown map[string]string
	since map[string]string // added since begin; nil: no count is running
}

func newNames() *names { return &names{shown: map[string]string{}} }

// searchKey returns the form of a name that is unique on crates.io.
func searchKey(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

func (n *names) add(name string, held bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := searchKey(name)
	if n.since != nil {
		n.since[key] = strings.Clone(name)
	}
	if _, ok := n.shown[key]; !ok {
		n.shown[key] = strings.Clone(name)
		if !held {
			n.added.Add(1)
		}
	}
}

// begin says that a scan of the folder begins, which replace ends.
func (n *names) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.since = map[string]string{}
}

// replace replaces all names, except those added since the scan began, by those that the
// scan found. held reports whether the mirror has a crate.
func (n *names) replace(shown map[string]string, held func(string) bool) {
	var added int64
	for _, name := range shown {
		if !held(name) {
			added++
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, name := range n.since {
		if _, found := shown[key]; !found && !held(name) {
			added++
		}
		shown[key] = name
	}
	n.shown, n.since = shown, nil
	n.added.Store(added)
}

func (n *names) has(name string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	shown, ok := n.shown[searchKey(name)]
	return ok && strings.EqualFold(shown, name)
}

// search returns the names that contain key and are not excluded, the best first: the name
// itself, names that begin with it, the others.
func (n *names) search(key string, leaveOut func(string) bool) []string {
	type match struct {
		rank int
		key  string
		name string
	}
	var found []match
	n.mu.RLock()
	for k, name := range n.shown {
		if !strings.Contains(k, key) {
			continue
		}
		rank := 2
		switch {
		case k == key:
			rank = 0
		case strings.HasPrefix(k, key):
			rank = 1
		}
		found = append(found, match{rank, k, name})
	}
	n.mu.RUnlock()
	slices.SortFunc(found, func(a, b match) int { return cmp.Or(a.rank-b.rank, strings.Compare(a.key, b.key)) })
	names := make([]string, 0, len(found))
	for _, m := range found {
		if !leaveOut(m.name) {
			names = append(names, m.name)
		}
	}
	return names
}

// Search implements reader.Mirror: it returns crates that the mirror holds, and then those
// that were only pulled.
func (m *Mirror) Search(query string, offset, limit int) (found []string, total int) {
	found, total = m.Behind.Search(query, offset, limit)
	added := m.names.search(searchKey(strings.TrimSpace(query)), m.Behind.Holds)
	from := min(max(0, max(offset, 0)-total), len(added))
	room := max(0, min(limit-len(found), len(added)-from))
	return append(found, added[from:from+room]...), total + len(added)
}

// Holds implements reader.Mirror.
func (m *Mirror) Holds(name string) bool { return m.Behind.Holds(name) || m.names.has(name) }
