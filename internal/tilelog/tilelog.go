// Package tilelog stores the log of package statement in a folder, which any web server can
// serve: the layout is that of c2sp.org/tlog-tiles.
//
//	checkpoint                        the latest signed statement
//	tile/{level}/{N}                  256 hashes of a level of the tree: 8,192 bytes
//	tile/{level}/{N}.p/{W}            the first W hashes, until there are 256
//	tile/entries/{N}[.p/{W}]          the lines of the same leaves, each after its
//	                                  length in two bytes, big-endian
//	checkpoints/{month}/{time}        all published statements
//	pending                           "{from} {to}": an unfinished append
//
// Other files are not part of the log: a lock, and checkpoint.txt with signatures for other
// tools.
//
// N is written in groups of three digits, all but the last with the prefix x: tile 1234067
// is x001/x234/067.
//
// # Steps of an append
//
//  1. Write pending, which names the tiles that may be written.
//  2. Write tiles under temporary names, give them their names, and make them durable.
//     A full tile never changes once a checkpoint covers it.
//  3. Replace checkpoint in one step: only now the leaves count.
//  4. Copy the checkpoint to checkpoints/, remove partial tiles that have become
//     full, and remove pending.
//
// After a kill or power failure between two steps, the next append reads pending, and
// removes tiles that no checkpoint covers, or completes step 4.
package tilelog

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// Contents of a tile.
const (
	height = 8
	width  = 1 << height
)

// Names in the folder.
const (
	CheckpointName = "checkpoint"
	archiveDir     = "checkpoints"
	pendingName    = "pending"
	entriesLevel   = -1 // level of a tlog.Tile of lines
)

// tileAt returns tile number n of a level, in a tree of size leaves; its width is 0 if the
// tree has no such tile.
func tileAt(level int, n, size int64) tlog.Tile {
	if level != entriesLevel {
		size >>= height * level
	}
	return tlog.Tile{H: height, L: level, N: n, W: int(max(0, min(width, size-n*width)))}
}

// Path returns the name of a tile; its level is -1 for a tile of lines.
func Path(t tlog.Tile) string {
	level := "entries"
	if t.L != entriesLevel {
		level = strconv.Itoa(t.L)
	}
	const group = 1000
	name := fmt.Sprintf("%03d", t.N%group)
	for n := t.N / group; n > 0; n /= group {
		name = fmt.Sprintf("x%03d/%s", n%group, name)
	}
	if t.W < width {
		name += ".p/" + strconv.Itoa(t.W)
	}
	return path.Join("tile", level, name)
}

// Limits for the name of a tile, which clients choose: its bytes, and numbers that no log
// of at most [statement.MaxLeaves] approaches, so that arithmetic does not overflow.
const (
	maxTilePath = 64
	maxLevel    = 7
	maxTile     = statement.MaxLeaves
)

// ParsePath is the inverse of Path. It rejects any other form.
func ParsePath(name string) (t tlog.Tile, err error) {
	bad := fmt.Errorf("%.80q is no name of a tile", name)
	rest, ok := strings.CutPrefix(name, "tile/")
	level, rest, found := strings.Cut(rest, "/")
	if !ok || !found || len(name) > maxTilePath {
		return t, bad
	}
	t = tlog.Tile{H: height, L: entriesLevel, W: width}
	if level != "entries" {
		if t.L, err = strconv.Atoi(level); err != nil || t.L < 0 || t.L > maxLevel {
			return t, bad
		}
	}
	number, partial, isPartial := strings.Cut(rest, ".p/")
	if isPartial {
		if t.W, err = strconv.Atoi(partial); err != nil || t.W < 1 || t.W >= width {
			return t, bad
		}
	}
	digits := strings.NewReplacer("x", "", "/", "").Replace(number)
	if t.N, err = strconv.ParseInt(digits, 10, 64); err != nil || t.N < 0 || t.N > maxTile || Path(t) != name {
		return t, bad
	}
	return t, nil
}

// partialDir returns the folder of the partial tiles of a place.
func partialDir(t tlog.Tile) string {
	t.W = 1
	return path.Dir(Path(t))
}

// subtree returns the root of a power of two of hashes.
func subtree(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}

// root returns the root of a tree from the hashes at its right edge: from the full subtrees
// of each level, smallest first, from right to left.
func root(edge [][]tlog.Hash) (acc tlog.Hash) {
	first := true
	for _, hashes := range edge {
		for bit := 1; bit < width; bit <<= 1 {
			if len(hashes)&bit == 0 {
				continue
			}
			var h tlog.Hash
			hashes, h = hashes[:len(hashes)&^bit], subtree(hashes[len(hashes)&^bit:][:bit])
			if first {
				acc, first = h, false
			} else {
				acc = tlog.NodeHash(h, acc)
			}
		}
	}
	return acc
}

// ErrDamaged means that the folder contradicts its checkpoint.
var ErrDamaged = errors.New("the log is damaged")
