// Package closure chooses the part of an index that its users need: named crates, the
// packages of lock files, and with them, if asked for, whatever cargo may want when it
// resolves their dependencies without a lock file.
//
// # What a requirement takes
//
// The newest N versions that match it and that cargo can use, and among its
// pre-releases the newest N of each release that it names. Versions are
// compared, and requirements read, as cargo does it ([semver]).
//
// Taking the newest of every requirement is enough for cargo to agree with
// itself where several requirements meet: the releases that match a requirement
// have no gaps, so of what is common to several of them the newest is the newest
// of one. That is also why pre-releases, which have gaps, are taken by release.
//
// What cargo skips does not count, and the search continues with the next older version,
// as cargo's does: yanked versions, lines that it cannot read or of a later format,
// versions without a feature that is asked for, and those that themselves need something
// that the index does not have. Those that are yanked are left out unless asked for; the
// others are taken all the same, so that a resolver finds what it would find in the whole
// index.
//
// # What is followed
//
// Of each version taken, the normal and the build dependencies, for every target. Not the
// dev-dependencies: cargo resolves those of a workspace's own members alone. An optional
// dependency is followed if a feature that is asked for leads to it: all features of the
// roots (or only their default ones, [Options.DefaultFeatures]), and further down what
// the dependencies ask of each other, all requests for a version taken together. The
// syntax "x?/y" counts as asking for x, because cargo puts it into lock files. Renamed
// dependencies and "dep:" are read as cargo reads them. Dependencies on another registry
// are not followed, but told.
//
// # What it cannot foresee
//
// Cargo may have to step back to an older version of one crate because two
// others exclude each other: by "=" requirements that contradict, or by the same
// "links". So may a project that sets a rust-version older than that of the
// newest crates. A larger [Options.Latest] makes room for that, 0 for all of it;
// a lock file needs none.
package closure
