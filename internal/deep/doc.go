// Package deep is the format of deep segments: many versions of crates in a sixth
// of the space of their .crate files, each of which is rebuilt bit for bit.
package deep
