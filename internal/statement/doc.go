// Package statement defines the signed statements of a mirror, which anyone can check
// without the mirror: which crate files it held, verified and durable, when, and for which
// commit of the index. This comment specifies the leaf, the checkpoint and the two proofs.
// The package reads and writes no files; package tilelog stores the log in a folder.
//
// # Log
//
// The statements of a mirror are about one append-only log of leaves, a Merkle tree as in
// RFC 6962, section 2.1, with SHA-256. The first statement appends a leaf for every held
// version, and later ones for versions added since, in the order of the index: byte order
// of the paths of its files ("se/rd/serde"), and the order of lines in each. A version that
// is published again, and held with its new bytes, gets a leaf for those. A leaf is never
// changed or removed: what the mirror removes later, or the index stops naming, was held at
// the time of the statement. Bytes that were removed and added again may have two leaves.
//
// # Leaf
//
// A leaf is the line
//
//	{name} {version} {sha256}\n
//
// with the name as published, the full version with build metadata, and the SHA-256
// of the crate file (the index's "cksum") in 64 lower-case hexadecimal digits; one
// space between them, and the newline. For example
//
//	birch 1.0.0 c3603466819e4642c3e0c00fd6d62f6b27584c4807534470648fac41a445ef94
//
// Its hash is the SHA-256 of a zero byte and the line:
//
//	leaf      = SHA-256(0x00 || line)
//	node      = SHA-256(0x01 || left || right)
//
// The left subtree of n leaves is the largest full tree of 2^k < n leaves. A line has at
// most [MaxLeaf] bytes.
//
// # Checkpoint
//
// A statement is a checkpoint (c2sp.org/tlog-checkpoint), a signed note
// (c2sp.org/signed-note) whose text is these lines; the last may be absent:
//
//	{origin}
//	{number of leaves}
//	{base64 of the root}
//	{N} of {M} versions of index commit {commit} of {time} held, verified, durable at {time}
//	manifest of {n} bytes ends with chain {64 hexadecimal digits}
//
// The origin is the permanent name of the log, by default that of the first key that signed
// it. M is the number of versions that the index names at that commit, and N the number of
// them that the mirror durably held: each of these has a leaf. Times are RFC 3339 in UTC,
// that of the commit in whole seconds, the other in milliseconds. The manifest is the audit
// log of the run before the statement (package runlog); its chain covers every line up to
// there and, through it, all earlier manifests.
//
// # Inclusion proof
//
// An inclusion proof is as in c2sp.org/tlog-proof, with the line of the leaf as extra data,
// so that nothing else is needed to check it:
//
//	c2sp.org/tlog-proof@v1
//	extra {base64 of the leaf's line}
//	index {number of the leaf, from 0}
//	{base64 of a hash}          (from the leaf's sibling to the root's child)
//
//	{checkpoint}
//
// # Consistency proof
//
// It proves that the tree of one checkpoint begins with that of an earlier one (RFC 6962,
// section 2.1.2), so that nothing was changed or removed:
//
//	clonecratesio/consistency-proof@v1
//	{base64 of a hash}          (in the order of RFC 6962)
//
//	{earlier checkpoint}
//
//	{later checkpoint}
//
// # Strictness
//
// Each of these has one canonical form; any other is rejected, including base64 signatures
// that are not canonical. So no byte can change unnoticed, except in signature lines of
// keys that the verifier does not have.
package statement
