// Package deep implements the format of deep segments, which hold all versions of a crate
// in a sixth of the space of their .crate files or less, and from which each file is
// rebuilt bit for bit. Consecutive versions share most of their files, which gzip hides; a
// segment holds each distinct file once, and records for every version which files it has
// and which compressor made its .crate. The package builds, writes and reads segments, and
// resumes one after a crash. This comment is the specification, and suffices to write
// another reader (scripts/read_deep.py is one).
//
// # File
//
// A segment is a sequence of Zstandard frames (RFC 8878) and nothing else, so
// zstd -t and zstd -l read it:
//
//	for each pack: a skippable frame, its directory; a data frame, its content
//	one skippable frame: the seek table
//
// A pack has 1 to 64 versions of one crate, and depends on nothing outside itself: no
// dictionary, no other pack. Damage to a pack affects no other. A crate may have several
// packs.
//
// Numbers of fixed size are little-endian. A "string" is a u8 length and the bytes.
// A "number" is an unsigned LEB128 (7 bits a byte, the lowest first, the highest
// bit of a byte says that another follows), as in Go's encoding/binary.
//
// # Directory
//
//	u32    0x184D2A5D, a skippable frame
//	u32    size of what follows, so that the frame has at most 32 KiB
//	8      "deeppack"
//	u8     1, the version of this format
//	string name of the crate
//	u32    size of the data frame, which follows
//	u32    size of its content
//	32     sha256 of the data frame
//	u8     number of versions, 1 to 64; for each of them, oldest first:
//	       string version
//	       32     sha256 of the .crate
//	       u32    size of the .crate, at most 128 MiB
//	       u8     encoder, 0: the .crate is kept verbatim
//	       u8     reason for that, else 0
//	       string header of the gzip file, empty if it is kept verbatim
//	       32     sha256 of what the recipe makes: the tar, or the .crate itself
//	       u32    size of that, at most 256 MiB
//	       u32    size of the recipe
//	32     sha256 of the frame up to here
//
// The encoders are those of package deflate; the reasons are [Reason].
//
// # Content
//
// The data frame declares its content size, has a checksum, no dictionary and a
// window of at most 128 MiB. Its content is at most 256 MiB:
//
//	number of items, at most 1,048,576
//	for each item: number, its length
//	for each version, in the order of the directory: its recipe
//	the items, one behind the other, up to the end
//
// An item is the bytes of a file, or the template of a tar header. The writer puts
// templates first and sorts files by path, then by age, so that similar items are close
// together; a reader does not depend on it. The writer begins another pack when the content
// would exceed 64 MiB, or 256 MiB if a version in it has a tar of more than 8 MiB.
//
// # Recipe
//
// A recipe is a sequence of operations; each appends bytes:
//
//	0, number n, n bytes     these bytes
//	1, number i              item i
//	2, number t, number i    the tar header of template t, item i, and zeros up to a
//	                         multiple of 512 bytes of the item
//
// A template is a tar header of 512 bytes without the parts that change from version to
// version. To make a header of it: insert "{crate}-{version}/" before its first 100 bytes
// and drop as many zeros from their end; then write the sum of all bytes of the header,
// with the 8 bytes at 148 counted as spaces, into these 8 bytes as seven octal digits and a
// NUL. Headers that cannot be made like this are kept as bytes. A file that is unchanged
// since the previous version, header included, thus takes three numbers in a recipe, the
// same as in the previous one.
//
// # Rebuilding
//
// Follow the recipe. For encoder 0, the result is the .crate. Otherwise it is the tar, and
// the .crate consists of the gzip header; the raw deflate stream that the encoder makes of
// the tar; u32 CRC-32 of the tar; u32 its size. Verify the sha256 of the .crate.
//
// # Verbatim
//
// A version is kept verbatim if no encoder makes its stream, if the .crate is not exactly
// one gzip member, or if its tar is too long. Then it is an item, which its recipe names. A
// tar may have any form: what does not look like a file in it is kept as bytes.
//
// # Seek table
//
// The last frame is the seek table of the Zstandard Seekable Format 0.1.0
// (contrib/seekable_format in the zstd repository), without checksums:
//
//	skippable frame: 0x184D2A5E, u32 size of what follows
//	for each frame before it: u32 size of the frame, u32 size of its content (0 of a directory)
//	u32 number of frames, at most 1,048,576; u8 0; u32 0x8F92EAB1
//
// The table is a hint. A directory says where the next one is; the table is used only if a
// directory is damaged. If it is missing or wrong ([ErrTable], [ErrUnfinished]), a reader
// searches for the next directory, and no pack is lost.
//
// # Life
//
// A segment is written as {name}.part, pack by pack, each made durable by [Writer.Sync].
// After a crash, [Resume] truncates a torn pack and continues after the last whole one. A
// finished segment is synced and renamed to its name, which must be free; it is never
// written to again. The caller may remove the originals after reading the pack back
// ([Reader.Check] at depth Crates).
//
// # Trust
//
// A reader treats every segment as hostile. It bounds all lengths, counts and windows; the
// directory determines the memory that a version needs ([Directory.Cost]), and the time is
// that of decoding its data frame once and of one encoder's run over a tar of that size,
// which a context ends within 64 KiB of output. A reader returns only bytes with the sha256
// in the directory. A segment does not prove that its crates are authentic: callers compare
// their checksums with an index.
package deep
