package admin

// OpenFiles returns how many files this process may have open at a time, or -1 if that is
// unknown. Windows has no relevant limit.
func OpenFiles() int { return -1 }
