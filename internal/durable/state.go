package durable

import "time"

// A State tells one state of a file from any other, of it or of another file: a file that
// was read need not be read again as long as it is in this state. States are compared
// with ==.
//
// What it is made of is what programs cannot set. The time of the last write is
// not: rsync, tar and touch restore it, after which a changed file of the same
// size looks as it did. The time of the last change of the file's bytes or
// attributes (ctime; ChangeTime on Windows) is set by the system alone. FAT and
// some network file systems have none; there it is the time of the last write,
// and a State is worth no more than that.
type State struct {
	ID       uint64 // the file's number in its file system; 0: unknown
	Size     int64
	Modified int64 // Unix nanoseconds
	Changed  int64 // Unix nanoseconds
}

// clockGrain is how far apart two changes can be and still have the same time,
// on the coarsest clock of a file system (FAT: two seconds).
const clockGrain = 2 * time.Second

// Settled reports whether a change of the file that comes after now will show in
// its State. It does not if the last one was within a tick of the file system's
// clock: the next one may get the same time.
func (s State) Settled(now time.Time) bool {
	return now.Sub(time.Unix(0, s.Changed)) > clockGrain
}

// StateOf returns the state of an open file.
func StateOf(f File) (State, error) {
	if known, ok := f.(interface{ State() (State, error) }); ok {
		return known.State()
	}
	info, err := f.Stat()
	if err != nil {
		return State{}, err
	}
	modified := info.ModTime().UnixNano()
	return State{Size: info.Size(), Modified: modified, Changed: modified}, nil
}
