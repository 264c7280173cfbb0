// Package bundle is the bundle format: many crates in one file that is a plain .tar.zst
// for tar and zstd, and a random-access archive for us. It writes and reads bundles, and
// resumes one that a crash has cut off. This comment is the specification; it is enough
// to write another reader.
//
// # File
//
// A bundle is a sequence of Zstandard frames (RFC 8878) and nothing else:
//
//	one frame for each member
//	one end frame: the two zero blocks (1,024 bytes) that end a tar archive
//	one skippable frame: the seek table
//
// What the frames decompress to is one tar archive, so stock tools read it:
// tar --zstd -xf, bsdtar -xf, zstd -t, zstd -l.
//
// The header of a member or end frame is this, numbers little-endian:
//
//	u32 0xFD2FB528
//	u8  descriptor: 0x64, 0xA4 or 0x84
//	u8  0x50, a window of 1 MiB, after the descriptor 0x84 alone
//	u16 content size - 256, after 0x64, or u32 content size, after 0xA4 or 0x84
//
// so that every frame declares its content size and carries a checksum. The
// descriptor is 0x64, a single segment, up to a content of 65,791 bytes; 0xA4,
// a single segment too, up to 1 MiB; and 0x84 up to 1 GiB, which is the most.
// The frame has at most content/65,536 + 2 blocks and at most content +
// content/256 + 64 bytes. We compress by the fastest level
// without entropy coding: crates are compressed already, and what is left to
// gain is the padding of tar.
//
// # Member
//
// A member is a crate under its [crate.ID.LoosePath]. The content of its frame
// is a tar header, the bytes, and zeros up to a multiple of 512. The header is
// POSIX USTAR, 512 bytes:
//
//	  0 name      100  path, its first 100 bytes if it is longer; zeros behind
//	100 mode        8  "0000644" NUL
//	108 uid, gid   16  "0000000" NUL, twice
//	124 size       12  11 octal digits NUL
//	136 mtime      12  "00000000000" NUL
//	148 chksum      8  6 octal digits NUL space
//	156 typeflag    1  '0'
//	157 linkname  100  zeros
//	257 magic       8  "ustar" NUL "00"
//	265 uname...   64  zeros
//	329 devmajor,  16  "0000000" NUL, twice
//	345 prefix... 167  zeros: a path is never split
//
// A path of more than 100 bytes has two blocks before that: a header of the
// same form with the name "PaxHeaders.0/crate", the typeflag 'x' and the size
// of the record; and the record "{length} path={path}\n", zeros behind it.
//
// Nothing else is a member. A reader does not interpret a header: it takes name
// and size from it, writes the header that this specification wants for them,
// and compares all bytes. So the same crates in the same order always make the
// same bundle, and there is nothing in a header that two tar readers could
// understand in two ways.
//
// A version may occur several times, with different bytes if it was published
// again while the bundle was written: each is a member, and has its line in the
// manifest. The last is the one that a stock tar leaves under the name; which of
// them is the version's, the index says. The same bytes again are harmless.
//
// # Seek table
//
// The last frame is the seek table of the Zstandard Seekable Format 0.1.0
// (contrib/seekable_format in the zstd repository), all numbers little-endian:
//
//	skippable frame: 0x184D2A5E, u32 size of what follows
//	for each frame before it: u32 size of the frame, u32 size of its content
//	u32 number of frames, u8 descriptor, u32 0x8F92EAB1
//
// The descriptor is 0: there are no checksums in the table, since the frames
// have their own. Its two lowest bits, which that format leaves unused, are the
// version of this format less one; a bundle of a later version sets them.
//
// The table is a hint. Frames are walked one by one, which costs a few bytes of
// reading each, and only where a frame is damaged does the table say where the
// next one starts. A table that is missing, or disagrees with the frames, is
// reported ([ErrTable]) and costs no member: without it, the next frame after
// damage is searched for.
//
// # Limits
//
// A bundle has at most [MaxMembers] members of at most [MaxSize] bytes each.
//
// # Life
//
// A bundle is written as {name}.part, frame by frame. After a crash [Resume] cuts the
// last, torn frame off and continues after the last whole one. When it is finished it is
// synced and gets its name, which was free; it is never written to again.
//
// # Names and JSONL files
//
// Bundles are called bundle-NNNN.tar.zst, with at least four digits. Beside each is
// bundle-NNNN-{min}-to-{max}.manifest.jsonl, with one line a member, and
// bundles.index.jsonl has one line a finished bundle: package lists is their
// specification. All three are hints: the bundles are the truth.
//
// # Bundles of v1.1.0
//
// CloneCratesio v1.1.0 wrote one frame over a whole tar archive. [Open] refuses
// them with [ErrStream]; package legacy reads them, and ours, from the beginning to
// the end.
//
// # Trust
//
// Every bundle is hostile to a reader: all sizes, counts and the memory that they cost
// are bounded. A bundle does not prove what a crate's bytes ought to be; the caller
// compares the checksums with those of an index.
package bundle
