package admin

// OpenFiles returns how many files this process may have open at a time, or -1
// if that is not known: Windows has no such limit that matters.
func OpenFiles() int { return -1 }
