package deep

import (
	"bytes"
	"strings"
)

// step is an operation of a recipe before it is encoded.
type step struct {
	op       int
	literal  []byte
	template []byte // of opMember
	item     []byte
	path     string // of the item in its crate, for sorting; not validated
}

// split splits a tar into steps that, joined, make the tar again, whatever its bytes are:
// what does not look like a file in a tar is kept as it is. The steps share the bytes of
// the tar.
func split(tar []byte, prefix string) (steps []step) {
	for len(tar) >= blockSize && !isZero(tar[:blockSize]) {
		header := tar[:blockSize]
		size, ok := fileSize(header)
		if !ok || size > int64(len(tar)-blockSize) {
			break
		}
		end := blockSize + size
		pad := min(padding(size), int64(len(tar))-end)
		whole := pad == padding(size) && isZero(tar[end:end+pad])
		s := step{op: opMember, item: tar[blockSize:end:end], path: pathOf(header, prefix)}
		if s.template, ok = appendTemplate(nil, header, prefix); ok && whole {
			steps = append(steps, s)
			tar = tar[end+pad:]
			continue
		}
		s.op, s.template = opItem, nil
		steps = append(steps, step{op: opLiteral, literal: header}, s)
		tar = tar[end:]
		if !whole {
			break
		}
		steps = append(steps, step{op: opLiteral, literal: tar[:pad]})
		tar = tar[pad:]
	}
	return appendRest(steps, tar)
}

// appendRest appends what follows the files, usually zeros.
func appendRest(steps []step, rest []byte) []step {
	const most = 16 // longer bytes may recur in another version
	switch {
	case len(rest) == 0:
		return steps
	case len(rest) <= most:
		return append(steps, step{op: opLiteral, literal: rest})
	}
	return append(steps, step{op: opItem, item: rest})
}

// pathOf returns the path of a file without the folder of its version.
func pathOf(header []byte, prefix string) string {
	name, _, _ := bytes.Cut(header[:nameSize], []byte{0})
	return strings.TrimPrefix(string(name), prefix)
}
