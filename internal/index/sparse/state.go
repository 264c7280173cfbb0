package sparse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
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
	Looked time.Time // until when the shares reach in which all that is here is asked for
	Listed time.Time // the time of the newest list of all crates that was gone through; zero: there was none
	Fed    time.Time // from when on the feed was followed without a gap; zero: it is not followed
	Since  time.Time // the newest item of the feed that was taken note of
	Tree   string    // the commit up to which the repository of the index has told what changed
	Lied   time.Time // when the index last said "not changed" of what had changed
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

// A validators finds what files came with. Ask may run ahead of answer, on another
// goroutine: to wait for git each time would take longer than the network.
type validators struct{ *git.Batch }

// ask asks for validators, by the names that git has for them.
func (v *validators) ask(objects ...string) error {
	_, err := io.WriteString(v.In, strings.Join(objects, "\n")+"\n")
	return err
}

// eachKnown calls fn for the files that have a validator, in the order of paths, until it
// says no.
func eachKnown(ctx context.Context, repo *git.Repository, fn func(known) bool) error {
	err := repo.EachField(ctx, func(field []byte) error {
		meta, name, _ := strings.Cut(string(field), "\t")
		if !fn(known{name, meta[strings.LastIndexByte(meta, ' ')+1:]}) {
			return errAborted
		}
		return nil
	}, "ls-tree", "-r", "-z", "--full-tree", stateRef)
	if errors.Is(err, errAborted) {
		return nil
	}
	return err
}

// known is a file that has a validator.
type known struct{ path, object string }

// answer returns the validator of the next file that was asked for, if it belongs to
// the blob that is here.
func (v *validators) answer(file *index.File) (val Validator, err error) {
	header, err := v.Out.ReadString('\n')
	if err != nil || strings.HasSuffix(header, " missing\n") {
		return val, err
	}
	fields := strings.Fields(header)
	if len(fields) != 3 {
		return val, fmt.Errorf("git answered %.100q", header)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size > 2*maxValidator+64 {
		return val, fmt.Errorf("git answered %.100q", header)
	}
	text := make([]byte, size+len("\n"))
	if _, err := io.ReadFull(v.Out, text); err != nil {
		return val, err
	}
	lines := strings.Split(string(text), "\n")
	if fields[1] != "blob" || len(lines) < 3 || lines[0] != file.Blob.String() {
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
