// Package tilelog keeps the log of package statement in a folder, from which any web
// server can serve it: the layout is that of c2sp.org/tlog-tiles.
//
//	checkpoint                        the last statement, signed
//	tile/{level}/{N}                  256 hashes of a level of the tree: 8,192 bytes
//	tile/{level}/{N}.p/{W}            the first W of them, until there are 256
//	tile/entries/{N}[.p/{W}]          the lines of the same leaves, each behind its
//	                                  length in two bytes, big-endian
//	checkpoints/{month}/{time}        every statement that was ever published
//	pending                           "{from} {to}": an append that has not ended
//
// What else is there is none of the log: a lock, and checkpoint.txt with signatures
// for those who check by other tools.
//
// N is written in groups of three digits, all but the last behind an x: tile 1234067
// is x001/x234/067.
//
// # Order of an append
//
//  1. pending names the tiles that may be written.
//  2. Tiles are written under temporary names, get their names, and are made durable.
//     A full tile is never written again once a checkpoint covers it.
//  3. checkpoint is replaced in one step: now, and not earlier, the leaves count.
//  4. The checkpoint is copied to checkpoints/, partial tiles that have become full
//     ones are removed, and so is pending.
//
// Whatever a kill or a power cut leaves between any two of these, the next append
// sees in pending, and removes tiles that no checkpoint covers, or completes step 4.
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

// What is in a tile.
const (
	height = 8
	width  = 1 << height
)

// Names in the folder.
const (
	CheckpointName = "checkpoint"
	archiveDir     = "checkpoints"
	pendingName    = "pending"
	entriesLevel   = -1 // of a tlog.Tile of lines
)

// tileAt is the tile number n of a level, as a tree of size leaves has it; its width
// is 0 if the tree has none of it.
func tileAt(level int, n, size int64) tlog.Tile {
	if level != entriesLevel {
		size >>= height * level
	}
	return tlog.Tile{H: height, L: level, N: n, W: int(max(0, min(width, size-n*width)))}
}

// Path returns the name of a tile; its level is -1 if it is one of lines.
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

// Bounds on the name of a tile, which clients make up: its bytes, and what no log of
// at most [statement.MaxLeaves] comes near, so that counting with it does not overflow.
const (
	maxTilePath = 64
	maxLevel    = 7
	maxTile     = statement.MaxLeaves
)

// ParsePath is the inverse of Path. It refuses what is written in any other way.
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

// partialDir is the folder of the partial tiles of a place.
func partialDir(t tlog.Tile) string {
	t.W = 1
	return path.Dir(Path(t))
}

// subtree is the root over a power of two of hashes.
func subtree(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}

// root is the root of a tree, out of the hashes of the tile at its right edge of
// each level: of every level the full subtrees, smallest first, from right to left.
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

// ErrDamaged: what is in the folder is not what its checkpoint says.
var ErrDamaged = errors.New("the log is damaged")
