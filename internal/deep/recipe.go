package deep

import (
	"encoding/binary"
	"errors"
)

// The operations of a recipe.
const (
	opLiteral = 0 // u length, bytes: these bytes
	opItem    = 1 // u item: the item
	opMember  = 2 // u template, u item: tar header of the template, item, zeros up to a block
)

var errRecipe = errors.New("recipe is wrong")

// recipe is the unread part of a recipe.
type recipe []byte

// number reads a number of at most limit.
func (r *recipe) number(limit int) (int, error) {
	v, n := binary.Uvarint(*r)
	if n <= 0 || v > uint64(limit) {
		return 0, errRecipe
	}
	*r = (*r)[n:]
	return int(v), nil
}

func (r *recipe) literal() ([]byte, error) {
	n, err := r.number(len(*r))
	if err != nil || n > len(*r) {
		return nil, errRecipe
	}
	b := (*r)[:n]
	*r = (*r)[n:]
	return b, nil
}

// join follows a recipe and appends the result to dst, whose capacity it never exceeds.
func (c *content) join(dst []byte, r recipe, prefix string) ([]byte, error) {
	for len(r) > 0 {
		op, err := r.number(opMember)
		if err != nil {
			return dst, err
		}
		var b []byte
		switch op {
		case opLiteral:
			b, err = r.literal()
		case opItem:
			b, err = c.next(&r)
		case opMember:
			if b, err = c.next(&r); err != nil {
				return dst, err
			}
			if cap(dst)-len(dst) < blockSize {
				return dst, errRecipe
			}
			if dst, err = appendHeader(dst, b, prefix); err != nil {
				return dst, err
			}
			b, err = c.next(&r)
		}
		if err != nil {
			return dst, err
		}
		pad := 0
		if op == opMember {
			pad = int(padding(int64(len(b))))
		}
		if cap(dst)-len(dst) < len(b)+pad {
			return dst, errRecipe
		}
		dst = append(dst, b...)
		dst = append(dst, zeros[:pad]...)
	}
	return dst, nil
}

// next returns the next item that a recipe names.
func (c *content) next(r *recipe) ([]byte, error) {
	n, err := r.number(len(c.ends) - 1)
	if err != nil {
		return nil, err
	}
	return c.item(n), nil
}
