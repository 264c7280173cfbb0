package durable

import "os"

// owner is empty: what an administrator makes, others may write to as the folder
// allows.
type owner struct{}

func ownerOf(*os.File) owner  { return owner{} }
func (owner) gives() bool     { return false }
func (owner) give(f *os.File) {}

// GiveAway does nothing here.
func GiveAway(string) error { return nil }
