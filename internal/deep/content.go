package deep

import (
	"encoding/binary"
	"errors"
)

var errContent = errors.New("content of the pack does not match its directory")

// content is the parsed content of a data frame.
type content struct {
	recipes []recipe
	items   []byte
	ends    []uint32 // of each item
}

// item returns item n, which must exist.
func (c *content) item(n int) []byte {
	start := uint32(0)
	if n > 0 {
		start = c.ends[n-1]
	}
	return c.items[start:c.ends[n]]
}

// parseContent parses the content of a pack. It retains b.
func parseContent(b []byte, versions []Version) (*content, error) {
	rest := recipe(b)
	count, err := rest.number(maxItems)
	if err != nil || count > len(rest) {
		return nil, errContent
	}
	c := &content{ends: make([]uint32, count)}
	end := 0
	for n := range c.ends {
		size, err := rest.number(len(b) - end)
		if err != nil {
			return nil, errContent
		}
		end += size
		c.ends[n] = uint32(end)
	}
	for n := range versions {
		size := versions[n].recipe
		if size > int64(len(rest)) {
			return nil, errContent
		}
		c.recipes = append(c.recipes, rest[:size:size])
		rest = rest[size:]
	}
	if c.items = rest; len(rest) != end {
		return nil, errContent
	}
	return c, nil
}

// appendUvarint appends a length or number as encoding/binary does.
func appendUvarint[T int | int64](dst []byte, n T) []byte {
	return binary.AppendUvarint(dst, uint64(n))
}
