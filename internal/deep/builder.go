package deep

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
)

// builder collects the content of a pack.
type builder struct {
	o        Options
	versions []Version
	recipes  [][]order // of each version
	items    []*item
	known    map[crate.Checksum]*item
	size     int64 // of the content so far, at most
	giant    bool
	last     deflate.Encoder // the last one found
}

// item is content that is stored once.
type item struct {
	data     []byte
	template bool
	path     string
	first    int // order of first use
	number   int // number in the content
}

// order is a step with its items.
type order struct {
	op       int
	literal  []byte
	template *item
	item     *item
}

func newBuilder(o Options) *builder { return &builder{o: o, known: map[crate.Checksum]*item{}} }

// arrival is what a version would add to the pack.
type arrival struct {
	orders []order
	items  []*item // items that the pack lacks
	known  map[crate.Checksum]*item
	size   int64 // of the items and the recipe, at most
}

// fresh returns what steps would add. It changes nothing.
func (b *builder) fresh(steps []step) *arrival {
	const most = 5 // bytes of a number
	a := &arrival{known: map[crate.Checksum]*item{}}
	for _, s := range steps {
		o := order{op: s.op, literal: s.literal}
		a.size += 3*most + int64(len(s.literal))
		if s.op == opMember {
			o.template = a.find(b, s.template, true, s.path)
		}
		if s.op != opLiteral {
			o.item = a.find(b, s.item, false, s.path)
		}
		a.orders = append(a.orders, o)
	}
	return a
}

func (a *arrival) find(b *builder, data []byte, template bool, path string) *item {
	const most = 5
	sum := crate.Checksum(sha256.Sum256(data))
	if it := cmp.Or(b.known[sum], a.known[sum]); it != nil {
		return it
	}
	it := &item{data: data, template: template, path: path}
	a.known[sum] = it
	a.items = append(a.items, it)
	a.size += most + int64(len(data))
	return it
}

// hasRoom reports whether the pack has room for an arrival, of a version whose tar has that
// many bytes.
func (b *builder) hasRoom(a *arrival, tar int64) bool {
	limit := int64(MaxContent)
	if b.giant || tar > giantAlone || len(b.versions) == 0 {
		limit = MaxGiant
	}
	const count = 5
	return b.size+a.size+count <= limit && len(b.items)+len(a.items) <= maxItems
}

// take adds a version.
func (b *builder) take(v Version, a *arrival) {
	b.giant = b.giant || v.TarSize() > giantAlone
	b.size += a.size
	for n := range a.orders {
		a.orders[n].literal = bytes.Clone(a.orders[n].literal)
	}
	for sum, it := range a.known {
		b.known[sum] = it
	}
	for _, it := range a.items {
		it.data, it.first = bytes.Clone(it.data), len(b.items)
		b.items = append(b.items, it)
	}
	v.header = bytes.Clone(v.header)
	b.versions = append(b.versions, v)
	b.recipes = append(b.recipes, a.orders)
}

// sort puts similar items side by side: the templates first, then the files by path, the
// oldest first.
func (b *builder) sort() {
	slices.SortFunc(b.items, func(x, y *item) int {
		if x.template != y.template {
			if x.template {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(x.path, y.path), cmp.Compare(x.first, y.first))
	})
	for n, it := range b.items {
		it.number = n
	}
}

// content encodes the collected items and recipes, and sets the length of each recipe.
func (b *builder) content() []byte {
	dst := make([]byte, 0, b.size+16)
	dst = appendUvarint(dst, len(b.items))
	for _, it := range b.items {
		dst = appendUvarint(dst, len(it.data))
	}
	for n, orders := range b.recipes {
		start := len(dst)
		for _, o := range orders {
			dst = o.append(dst)
		}
		b.versions[n].recipe = int64(len(dst) - start)
	}
	for _, it := range b.items {
		dst = append(dst, it.data...)
		it.data = nil
	}
	return dst
}

func (o *order) append(dst []byte) []byte {
	dst = appendUvarint(dst, o.op)
	switch o.op {
	case opLiteral:
		return append(appendUvarint(dst, len(o.literal)), o.literal...)
	case opMember:
		dst = appendUvarint(dst, o.template.number)
	}
	return appendUvarint(dst, o.item.number)
}

// finish compresses the pack.
func (b *builder) finish(name string) (*Pack, error) {
	b.sort()
	content := b.content()
	frame, err := encodeFrame(content, zstd.EncoderLevel(b.o.Level))
	if err != nil {
		return nil, err
	}
	p := &Pack{Directory: Directory{
		Name: name, Versions: b.versions, Content: int64(len(content)),
		frame: int64(len(frame)), frameSum: sha256.Sum256(frame),
	}}
	p.encoded = append(appendDirectory(nil, &p.Directory), frame...)
	return p, p.check()
}
