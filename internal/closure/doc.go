// Package closure selects the part of an index that users need: named crates, the packages
// of lock files and, on request, every version that cargo may need to resolve their
// dependencies without a lock file.
//
// # What a requirement selects
//
// A requirement selects the newest N versions that match it and that cargo can use, and of
// its pre-releases the newest N of each release that it names. Versions and requirements
// follow cargo's rules ([semver]).
//
// The newest version of every requirement is enough for cargo to find the same solution
// where several requirements meet: the releases that match a requirement have no gaps, so
// the newest version common to several requirements is the newest of one of them.
// Pre-releases do have gaps, so they are selected per release.
//
// Versions that cargo skips do not count towards N, and the search continues with the next
// older version, as cargo's does: yanked versions, lines that cargo cannot parse or of a
// later format, versions without a requested feature, and versions that need something the
// index does not have. Yanked versions are not selected unless requested; the others are,
// so that a resolver finds what it would find in the whole index.
//
// # What is followed
//
// The normal and build dependencies of each selected version are followed, for every
// target. Dev-dependencies are not: cargo resolves them only for members of the workspace.
// An optional dependency is followed if a requested feature enables it: all features of the
// roots (or only their default ones, [Options.DefaultFeatures]), and below them the
// features that the dependencies request of each other, all requests for a version
// combined. The syntax "x?/y" counts as requesting x, because cargo puts it into lock
// files. Renamed dependencies and "dep:" work as in cargo. Dependencies on another registry
// are reported, and not followed.
//
// # What it cannot foresee
//
// Cargo may have to use an older version of one crate because two others exclude each
// other: by contradictory "=" requirements, or by the same "links". A project with a
// rust-version older than that of the newest crates may, too. A larger [Options.Latest]
// leaves room for that, 0 for all of it; a lock file needs none.
package closure
