package durable

import "io/fs"

// Inode returns 0: os.FileInfo has no number of the file here.
func Inode(fs.FileInfo) uint64 { return 0 }
