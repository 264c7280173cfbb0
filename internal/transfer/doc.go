// Package transfer defines the format in which a mirror is carried across an air gap: what one side
// holds and the other lacks, in volumes of bounded size, under one signature. This comment is the
// specification. Package send writes transfers and package receive imports them; this one knows the
// files.
//
// # Points
//
// A point is what a mirror held when a transfer was made; the sending side numbers points from 1.
// It consists of the commit of the index and the set of all crate files held. Its name is its
// number and the first eight digits of the digest of that set ([Point.ID]): 16-9f8e7d6c. Points of
// one series have the same line, a random name that the sending side chooses when it makes its
// first transfer, or has lost its earlier ones. A transfer leads from a point, its base, to another
// one, its end. The far side accepts it if it is at the base, or at any later point of the line
// before the end, because it then has everything that is not carried. Without a base, everything is
// carried.
//
// # Files
//
// A transfer is a folder transfer-{end} with the folders volume-001, volume-002 and so on. A volume
// can be copied, carried and imported by itself, in any order, more than once. Each has
//
//	transfer.note        the manifest, the same in every volume
//	blocks               checksums of the pieces of all files, the same in every volume
//
// and each of the following is in one of them:
//
//	index.bundle         the index from base to end: a git bundle, as package carry has it
//	facts.jsonl          what else the sending side's catalog knows of what is carried
//	statements           the log of statements (package tilelog); optional
//	gate.json            what the sending side hides from builds; optional
//	bundle-NNNN.tar.zst  crate files, as package bundle has them, numbered within the transfer
//	deep-NNNN.zst        segments of the deep archive, likewise
//	parity-NNN           data to rebuild lost pieces
//
// Each file is smaller than a volume. A bundle of the mirror is carried unchanged if the far side
// has nothing, or next to nothing, of it. The new members of other bundles are put into bundles of
// the transfer, and so are loose crate files.
//
// # Manifest
//
// transfer.note is a signed note (package signing), or without a key only its text. The text is
//
//	clonecratesio transfer 1
//	base {line} {number} {digest} {commit} {time}     or: base none
//	end {line} {number} {digest} {commit} {time}
//	versions {number of crate files held at the end}
//	volumes {number of volumes}
//	parity {percent}
//	file {volume} {name} {size} {sha256} {entries}
//	...
//
// with one space between fields, decimal numbers (at most 999 volumes), digests and checksums of 64
// and commits of 40 hexadecimal digits, and the time of the commit in RFC 3339, UTC. Files are in
// the order of their volumes; entries is the number of crates in a bundle, and 0 for other files.
// "blocks" is listed once, with volume 0. A manifest has at most 500 kB, some 3,500 files.
//
// # The digest of a set
//
// The digest is the SHA-256 of one line per crate file, "{name} {version} {sha256}\n", sorted by
// name (ignoring case), version and checksum.
//
// # Facts
//
// facts.jsonl has a line of JSON for each version that upstream refused to serve ("gone"), and for
// each carried crate file that the index no longer names ("removed"): the tombstones. The content
// of the index, including yanks and removals since the base, is in index.bundle.
//
// # Statements
//
// statements has the sending side's log since the base, or all of it:
//
//	log {number of its first leaf} {number of all leaves} {bytes of the checkpoint}
//	{the last checkpoint, as it was signed}
//	{leaves, one line each, in the form of package statement}
//
// The far side appends the leaves to its own log, which must then have the root of the checkpoint.
// This proves that the log was only appended to.
//
// # Gate
//
// gate.json is {"blocks": ..., "policies": [{"name": ..., "text": ...}, ...]}: the blocks made by
// hand, in the file format of package blocks, and policies sorted by name (lower-case letters,
// digits and "-"). The far side adds the blocks to its own, where they replace those of earlier
// transfers, and stores the policies for its servers. The file is missing if nothing was ever
// hidden.
//
// # Parity
//
// All files except blocks, transfer.note and the parity itself are cut into pieces of 256 KiB, the
// last one of each file padded with zeros, and numbered in the order of the manifest. N pieces make
// G = ceil(N/100) groups: piece n belongs to group n mod G, so that neighbours are in different
// groups. Each group has ceil(K*percent/100) pieces of parity, where K is the number of pieces of
// the largest group, from the Reed-Solomon code of klauspost/reedsolomon (a Vandermonde matrix over
// GF(2^8), its default). The parity files have them group by group. A group can lose as many pieces
// as it has pieces of parity.
//
// blocks has the first 16 bytes of the SHA-256 of each piece, then of each piece of parity. Without
// parity it is empty.
//
// # State
//
// A state is a file that lists what is held at a point: text compressed with zstd, with one line
// per crate file, "{name} {version} {first 32 digits of sha256} {number}\n", in the order of the
// digest, where the number is that of the point since which it is held. The last line is "end
// {line} {number} {digest} {commit} {time}\n"; without it the file is incomplete. The sending side
// stores one, and accepts one from the far side (export -since FILE).
//
// # Trust
//
// A medium is hostile. Only the manifest is read before its signature is verified; after that, only
// files with the manifest's checksum are used, and even those are read within the limits of
// packages bundle, deep and carry. Names of files have the forms above, and nothing else is ever
// made part of a path.
package transfer
