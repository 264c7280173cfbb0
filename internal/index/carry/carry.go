// Package carry transfers an index without a network, as a git bundle: across an air gap, or
// through a bucket. [Write] makes a bundle from what the other side has up to a commit; [Apply]
// moves another clone of the index to that commit.
//
// # Format
//
// The file is a git bundle, version 2 (gitformat-bundle), which stock git lists and
// verifies:
//
//	# v2 git bundle\n
//	-{commit}\n                                    a prerequisite: the other side has it
//	{commit} refs/heads/master\n                    the index; one
//	{commit} refs/clonecratesio/days/YYYY-MM-DD\n   the last commit of a day that is kept
//	{commit} refs/clonecratesio/shallow/{commit}\n  history ends here: its parents are not carried
//	                                                (if they are on the other side, history continues there)
//	\n
//	a pack, thin if there are prerequisites
//
// Commits are 40 lower-case hexadecimal digits. The header names the recorded days that no
// prerequisite leads to; the other side has the others. A prerequisite need not be an ancestor of
// the carried commit: after upstream squashed its history, the new commit has no parent, but the
// content that its files share with the old ones is still not carried.
//
// Stock git cannot clone from a bundle that begins where history was cut off, because it does not
// know the last kind of reference.
//
// # Limits
//
// A header has at most 200,000 lines of 200 bytes, a pack 100 million objects, an object
// 64 MiB, which git holds in memory (the largest file of crates.io's index has 4 MiB).
package carry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

const (
	signature  = "# v2 git bundle\n"
	branch     = "refs/heads/master"
	shallowRef = "refs/clonecratesio/shallow"
)

// A Header is the header of a bundle.
type Header struct {
	Commit  string            // of the index after the transfer
	Since   []string          // commits that the other side must have; empty: everything is carried
	Days    map[string]string // the last commit of each recorded day, by YYYY-MM-DD
	Shallow []string          // commits whose parents are not carried
}

// ErrFormat means that a file is not a bundle of an index, or exceeds the limits.
var ErrFormat = errors.New("it is no git bundle of an index")

// A BaseError says that a bundle continues from a commit that is not here.
type BaseError struct {
	Commit string // the first missing prerequisite
}

func (e *BaseError) Error() string {
	return fmt.Sprintf("it continues commit %s, which the index here does not have: take what comes before it first, or all", e.Commit)
}

// add parses a line of a header.
func (h *Header) add(line string) error {
	if since, ok := strings.CutPrefix(line, "-"); ok {
		since, _, _ = strings.Cut(since, " ") // git puts a comment there
		h.Since = append(h.Since, since)
		return checkID(since)
	}
	id, name, _ := strings.Cut(line, " ")
	day, isDay := strings.CutPrefix(name, index.DaysRef+"/")
	end, isEnd := strings.CutPrefix(name, shallowRef+"/")
	switch {
	case checkID(id) != nil:
		return checkID(id)
	case name == branch && h.Commit == "":
		h.Commit = id
	case isDay && isDate(day) && h.Days[day] == "":
		h.Days[day] = id
	case isEnd && end == id:
		h.Shallow = append(h.Shallow, id)
	default:
		return fmt.Errorf("%w: it names %.80q, which is not the index", ErrFormat, name)
	}
	return nil
}

func checkID(id string) error {
	if len(id) != 40 || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("%w: %.60q is no id of a commit", ErrFormat, id)
	}
	return nil
}

func isDate(day string) bool {
	_, err := time.Parse(time.DateOnly, day)
	return err == nil
}
