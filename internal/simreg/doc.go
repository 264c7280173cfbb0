// Package simreg is a small crates.io in one process: the index, the CDN and
// every way in which either has been seen to misbehave. Tests and the demo
// command mirror it instead of the real one, so nothing they do leaves the
// machine.
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
// Its crate files are real: gzipped tars in the form that "cargo package" writes, which
// the real cargo resolves, verifies and compiles. They are never stored but made from the
// specification whenever they are asked for, the same bytes every time, so [Generate] can
// describe more than memory holds. [Demo] is a registry of a few hundred versions with
// every oddity of the real one. Package badindex is the opposite: an index in which
// nearly every line is hostile.
//
// Add, Remove, Restore, Yank and ReplaceBytes publish, delete, publish again, yank
// and swap versions between two runs of a mirror; [Registry.SetCrate] takes lines of
// a real index, and package history what led from one day of it to another. WriteIndex,
// CommitIndex and Squash put the index on disk the ways crates.io offers it.
//
// # Server
//
// [Registry.Start] serves crate files as static.crates.io does and the index
// as index.crates.io does, over TCP on the loopback interface or, for tests
// under testing/synctest, over pipes in memory. Every request is counted, so
// that a test can say that nothing was fetched twice.
//
// # Faults
//
// [Registry.Inject] makes requests fail: a page of HTML with status 200, half
// a file, silence, a reset, a redirect to nowhere; [Kind] lists them with the
// row of the project's fault catalogue (B1 to B25) that each stands for.
// [Registry.Chaos] spreads them over a share of all versions, chosen by a
// seed; a fault with a Share strikes again and again, whatever is asked for. All
// of it may be called while the server runs.
package simreg
