package view

import (
	"fmt"
	"io/fs"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// identity is which bytes of which file were hashed, and in which state the file
// was.
type identity struct {
	inode   uint64
	size    int64 // of the file
	changed int64 // when, Unix nanoseconds
	bundled bool
	offset  int64 // of the crate in its bundle
}

// identify returns the identity of an open crate file.
func identify(content store.Content, at store.Placement) (identity, error) {
	file, ok := content.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return identity{}, fmt.Errorf("a %T does not say what file it is in", content)
	}
	info, err := file.Stat()
	if err != nil {
		return identity{}, err
	}
	return identity{
		inode: durable.Inode(info), size: info.Size(), changed: info.ModTime().UnixNano(),
		bundled: at.Bundle != "", offset: at.Offset,
	}, nil
}

// maxProven bounds how many crates are remembered, with some 150 bytes each.
const maxProven = 1 << 16

// proven remembers in which file a checksum was found. When it is full it
// forgets the half that was not asked for lately.
type proven struct {
	mu         sync.Mutex // guards what follows
	fresh, old map[crate.Checksum]identity
}

// has reports whether the bytes of sum were found there.
func (p *proven) has(sum crate.Checksum, id identity) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have, ok := p.fresh[sum]; ok {
		return have == id
	}
	have, ok := p.old[sum]
	if ok && have == id {
		p.put(sum, id)
	}
	return ok && have == id
}

// add remembers where the bytes of sum were found.
func (p *proven) add(sum crate.Checksum, id identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(sum, id)
}

func (p *proven) put(sum crate.Checksum, id identity) {
	if len(p.fresh) >= maxProven/2 {
		p.old, p.fresh = p.fresh, nil
	}
	if p.fresh == nil {
		p.fresh = make(map[crate.Checksum]identity)
	}
	p.fresh[sum] = id
}
