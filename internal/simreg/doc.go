// Package simreg simulates crates.io in one process: the index, the CDN, and all observed
// failures of both. Tests and the demo command mirror it instead of the real one, so that
// no request leaves the machine.
//
// # Content
//
// A [Registry] is built from specifications, as literals or in a text form
// that reads well in tests:
//
//	reg := simreg.New(simreg.MustParse(`
//		foo 1.0.0
//		  dep bar ^1
//		foo 1.1.0 yanked
//		bar 1.0.0+meta
//	`)...)
//
// Its crate files are real: gzipped tars in the form of "cargo package", which the real
// cargo resolves, verifies and compiles. They are not stored but made from the
// specification at each request, with the same bytes every time, so [Generate] can describe
// more than fits into memory. [Demo] is a registry of a few hundred versions with every
// peculiarity of the real one. Package badindex is the opposite: an index in which nearly
// every line is hostile.
//
// Add, Remove, Restore, Yank and ReplaceBytes publish, delete, publish again, yank and
// replace versions between two runs of a mirror. [Registry.SetCrate] uses lines of a real
// index, and package history the changes between two days of it. WriteIndex, CommitIndex
// and Squash write the index to disk in the forms of crates.io.
//
// # Server
//
// [Registry.Start] serves crate files like static.crates.io and the index like
// index.crates.io, over TCP on the loopback interface or, for tests with testing/synctest,
// over pipes in memory. Every request is counted, so that a test can check that nothing was
// downloaded twice.
//
// # Faults
//
// [Registry.Inject] makes requests fail: an HTML page with status 200, half a file,
// silence, a reset, a redirect to nowhere. [Kind] lists the faults with their rows in the
// project's fault catalogue (B1 to B25). [Registry.Chaos] spreads them over a share of all
// versions, chosen by a seed; a fault with a Share affects requests repeatedly, for any
// file. All of these may be called while the server runs.
package simreg
