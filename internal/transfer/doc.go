// Package transfer is the format in which a mirror is carried across an air gap: what
// one side holds and the other does not, in volumes of a bounded size, under one
// signature. This comment is the specification. Package send writes transfers, package
// receive takes them; this one knows the files.
//
// # Points
//
// A point is what a mirror held when a transfer was made of it: the sending side counts
// them, from 1. It has the commit of the index and the set of all crate files that are
// held, and is named by its number and the first eight digits of the digest of that set
// ([Point.ID]): 16-9f8e7d6c. Points of one series have the same line, a random name that
// the sending side gives itself when it makes its first transfer, or forgot its earlier
// ones. A transfer leads from a point, its base, to another one, its end. The far side
// takes it if it is at the base, or at any later point of the line that is before the
// end: it has all that is not carried then. Without a base, all is carried.
//
// # Files
//
// A transfer is a folder transfer-{end}, in it volume-001, volume-002 and so on. A volume
// can be copied, carried and taken by itself, in any order, more than once. In each are
//
//	transfer.note        the manifest, the same in every volume
//	blocks               checksums of the pieces of all files, the same in every volume
//
// and, each in one of them,
//
//	index.bundle         the index from base to end: a git bundle, as package carry has it
//	facts.jsonl          what else the catalog of the sending side knows of what is carried
//	statements           the log of statements (package tilelog); there may be none
//	gate.json            what builds of the sending side do not see; there may be none
//	bundle-NNNN.tar.zst  crate files, as package bundle has them, numbered within the transfer
//	deep-NNNN.zst        segments of the deep archive, likewise
//	parity-NNN           what lost pieces are rebuilt from
//
// No file has as many bytes as a volume may have. A bundle of the mirror is carried as it
// is if the far side has nothing, or next to nothing, of it; of all others its new members
// are put into bundles of the transfer, as are loose crate files.
//
// # Manifest
//
// transfer.note is a signed note (package signing) if a key was given, or the text of one
// alone. The text is
//
//	clonecratesio transfer 1
//	base {line} {number} {digest} {commit} {time}     or: base none
//	end {line} {number} {digest} {commit} {time}
//	versions {number of crate files that are held at the end}
//	volumes {number of volumes}
//	parity {percent}
//	file {volume} {name} {size} {sha256} {entries}
//	...
//
// with one space between fields, numbers in decimal (at most 999 volumes), digests and checksums in 64 and
// commits in 40 hexadecimal digits, the time of the commit in RFC 3339, UTC. Files stand in
// the order of their volumes; entries is the number of crates in a bundle, 0 of others.
// "blocks" is there once, with volume 0. A manifest has at most 500 kB, some 3,500 files.
//
// # The digest of a set
//
// is the SHA-256 over a line for each crate file, "{name} {version} {sha256}\n", in the
// order of names without case, versions and checksums.
//
// # Facts
//
// facts.jsonl has a line of JSON for each version that upstream refused to give out
// ("gone"), and for each crate file that is carried and that the index had stopped naming
// before ("removed"): the tombstones. What the index itself says, yanks and removals
// since the base among it, is in index.bundle.
//
// # Statements
//
// statements has what the log of the sending side has since the base, or all of it:
//
//	log {number of its first leaf} {number of all leaves} {bytes of the checkpoint}
//	{the last checkpoint, as it was signed}
//	{leaves, a line each, as package statement has them}
//
// The far side appends the leaves to its own log, which must then have the root of the
// checkpoint: so history was only added to.
//
// # Gate
//
// gate.json is {"blocks": ..., "policies": [{"name": ..., "text": ...}, ...]}: the blocks
// that were made by hand, as package blocks has them in its file, and policies in the order
// of their names, of small letters, digits and "-". The far side adds the blocks to its own,
// where they take the place of those that came before, and keeps the policies for its
// servers. A transfer is without it where nothing was ever hidden.
//
// # Parity
//
// All files but blocks, transfer.note and the parity itself are cut into pieces of 256 KiB,
// the last one of each filled up with zeros, and numbered through in the order of the
// manifest. If there are N, they make G = ceil(N/100) groups: piece n belongs to group
// n mod G, so that neighbours are in different ones. For each group there are
// ceil(K*percent/100) pieces of parity, where K is the number of pieces of the largest,
// by the Reed-Solomon code of klauspost/reedsolomon (a Vandermonde matrix over GF(2^8),
// its default). They stand in the parity files group by group. Any so many pieces of a
// group may be lost.
//
// blocks has the first 16 bytes of the SHA-256 of each piece, then of each piece of parity;
// without parity it is empty.
//
// # State
//
// A state is a file that says what is held at a point: zstd over text, a line for each crate
// file, "{name} {version} {first 32 digits of sha256} {number}\n", in the order of the
// digest, where the number is that of the point since which it is held; and a last line
// "end {line} {number} {digest} {commit} {time}\n", without which it is not whole.
// The sending side keeps one, and takes one from the far side (export -since FILE).
//
// # Trust
//
// A medium is hostile. Nothing on it is looked at before the signature of the manifest was
// checked, but the manifest itself; then no byte counts that does not hash to what the
// manifest says. What hashes is still read with the limits of packages bundle, deep and
// carry. Names of files are of the forms above and are never joined to others.
package transfer
