package registry

import (
	"container/list"
	"sync"
)

// A cache keeps the most recently used rendered resources, up to a number of bytes.
type cache struct {
	most int64

	mu    sync.Mutex // guards what follows
	size  int64
	byKey map[string]*list.Element
	order *list.List // of *rendered, the most recently used first
}

func newCache(most int64) *cache {
	return &cache{most: most, byKey: map[string]*list.Element{}, order: list.New()}
}

// get returns the resource of an index path, or nil.
func (c *cache) get(path string) *rendered {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[path]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*rendered)
}

// put stores r and replaces the resource of the same path.
func (c *cache) put(r *rendered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(r.path)
	if r.size() > c.most {
		return
	}
	c.byKey[r.path] = c.order.PushFront(r)
	for c.size += r.size(); c.size > c.most; {
		c.remove(c.order.Back().Value.(*rendered).path)
	}
}

// drop removes the resource of a path.
func (c *cache) drop(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(path)
}

func (c *cache) remove(path string) {
	if e := c.byKey[path]; e != nil {
		c.size -= e.Value.(*rendered).size()
		delete(c.byKey, path)
		c.order.Remove(e)
	}
}
