// Package bundle implements the bundle format: a file with many crates that is a plain
// .tar.zst for tar and zstd, and a random-access archive for us. It writes and reads
// bundles, and resumes a bundle after a crash. This comment is the specification, and
// suffices to write another reader.
//
// # File
//
// A bundle is a sequence of Zstandard frames (RFC 8878) and nothing else:
//
//	one frame for each member
//	one end frame: the two zero blocks (1,024 bytes) that end a tar archive
//	one skippable frame: the seek table
//
// The frames decompress to one tar archive, so stock tools can read it: tar --zstd -xf,
// bsdtar -xf, zstd -t, zstd -l.
//
// The header of a member or end frame, with little-endian numbers:
//
//	u32 0xFD2FB528
//	u8  descriptor: 0x64, 0xA4 or 0x84
//	u8  0x50, a window of 1 MiB, after the descriptor 0x84 alone
//	u16 content size - 256, after 0x64, or u32 content size, after 0xA4 or 0x84
//
// Every frame thus declares its content size and has a checksum. The descriptor is 0x64, a
// single segment, for up to 65,791 bytes of content; 0xA4, also a single segment, up to 1
// MiB; and 0x84 up to 1 GiB, the maximum. A frame has at most content/65,536 + 2 blocks and
// at most content + content/256 + 64 bytes. We compress at the fastest level without
// entropy coding: crates are already compressed, so only the padding of tar compresses.
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
// A path of more than 100 bytes is preceded by two blocks: a header of the same form with
// the name "PaxHeaders.0/crate", the typeflag 'x' and the size of the record; and the
// record "{length} path={path}\n", padded with zeros.
//
// Nothing else is a member. A reader does not interpret headers: it takes name and size
// from one, formats the header that this specification demands for them, and compares all
// bytes. The same crates in the same order therefore always make the same bundle, and no
// two tar readers can understand a header differently.
//
// A version may occur several times, with different bytes if it was published again while
// the bundle was written: each is a member, with a line in the manifest. A stock tar
// extracts the last one; the index says which of them is the version. Identical copies are
// harmless.
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
// The descriptor is 0: the table has no checksums, since the frames have their own. Its two
// lowest bits, which that format leaves unused, are the version of this format minus one,
// so that a later version can set them.
//
// The table is a hint. A reader walks from frame to frame, which takes reading a few bytes
// of each; it uses the table only to find the frame after a damaged one. A table that is
// missing, or disagrees with the frames, is reported ([ErrTable]) and costs no member:
// without it, a reader searches for the next frame after damage.
//
// # Limits
//
// A bundle has at most [MaxMembers] members of at most [MaxSize] bytes each.
//
// # Life
//
// A bundle is written as {name}.part, frame by frame. After a crash, [Resume] truncates a
// torn last frame and continues after the last whole one. A finished bundle is synced and
// renamed to its name, which must be free; it is never written to again.
//
// # Names and JSONL files
//
// A bundle is named bundle-NNNN.tar.zst, with at least four digits. Beside it is
// bundle-NNNN-{min}-to-{max}.manifest.jsonl, with one line per member; bundles.index.jsonl
// has one line per finished bundle. Package lists specifies both. Names and lists are
// hints: the bundles are the truth.
//
// # Bundles of v1.1.0
//
// CloneCratesio v1.1.0 wrote a whole tar archive as one frame. [Open] rejects such bundles
// with [ErrStream]; package legacy reads them, and ours, from beginning to end.
//
// # Trust
//
// A reader treats every bundle as hostile: it bounds all sizes, counts and the memory that
// they need. A bundle does not prove that its crates are authentic; the caller compares
// their checksums with those of an index.
package bundle
