package sparse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// What is remembered between two looks at an index is in its git repository: a commit
// without parent, named by stateRef, whose message is a [state] and whose tree has for
// each file of the index the validator with which it came. It is a convenience: without
// it everything is asked for whole.
const stateRef = "refs/clonecratesio/sparse"

// maxAgain bounds the names in a state. If more failed, the next look asks for all.
const maxAgain = 1000

// maxState bounds a state that is read, bytes.
const maxState = 1 << 20

// state is how far earlier looks came.
type state struct {
	Source string    // the index that was asked
	Commit string    // the commit that was made of what it said; of another, this says nothing
	Looked time.Time // when all files that are here were asked for
	Listed time.Time // the time of the newest list of all crates that was gone through; zero: there was none
	Fed    time.Time // from when on the feed was followed without a gap; zero: it is not followed
	Since  time.Time // the newest item of the feed that was taken note of
	Again  []string  // crates that could not be had
}

// readState returns the state that belongs to a commit and an index, or an empty one.
func readState(ctx context.Context, repo *git.Repository, source, commit string) (none state) {
	var text []byte
	err := repo.Read(ctx, func(out io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(out, maxState))
		return err
	}, "show", "--no-patch", "--format=%b", stateRef)
	var s state
	if err != nil || json.Unmarshal(text, &s) != nil || s.Source != source || s.Commit != commit || commit == "" {
		return state{Source: source}
	}
	return s
}

// A validators finds what files came with.
type validators struct{ *git.Batch }

// of returns the validator of a file, if it belongs to the blob that is here.
func (v *validators) of(path string, have git.ID) (val Validator, err error) {
	if v == nil || have == (git.ID{}) {
		return val, nil
	}
	text, _, err := v.Object(stateRef+":"+path, "blob", 2*maxValidator+64)
	if isAbsent(err) {
		return val, nil
	}
	if err != nil {
		return val, err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 || lines[0] != have.String() {
		return val, nil
	}
	return Validator{ETag: lines[1], LastModified: lines[2]}, nil
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*git.ObjectError))
}

// message is the commit message that readState reads.
func (s state) message() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and times
	}
	return "How far looks at a sparse index came\n\n" + string(text) + "\n"
}

// remembered is a validator in the state's tree.
func remembered(blob git.ID, v Validator) string {
	if strings.ContainsAny(v.ETag+v.LastModified, "\r\n\x00") {
		v = Validator{}
	}
	return fmt.Sprintf("%s\n%s\n%s\n", blob, v.ETag, v.LastModified)
}
