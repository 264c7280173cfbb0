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

// The state between two looks at an index is in its git repository: a commit without
// parents, named by stateRef. Its message is a [state], and its tree has the validator of
// each file of the index. It is a convenience: without it every file is requested
// unconditionally.
const stateRef = "refs/clonecratesio/sparse"

// maxAgain bounds the names in a state. If more files failed, the next look requests
// everything.
const maxAgain = 1000

// maxState bounds the size of a state that is read, in bytes.
const maxState = 1 << 20

// state is the progress of earlier looks.
type state struct {
	Source string    // the sparse index
	Commit string    // the commit that was made from it; the state applies to no other
	Looked time.Time // until when the shares reach, in which all our files are requested
	Listed time.Time // the time of the newest list of all crates that was processed; zero: none
	Fed    time.Time // since when the feed was followed without a gap; zero: it is not followed
	Since  time.Time // the newest item of the feed that was processed
	Tree   string    // the commit up to which the repository of the index has reported changes
	Lied   time.Time // when the index last reported a changed file as unchanged
	Again  []string  // crates that could not be downloaded
}

// readState returns the state of a commit and an index, or an empty one.
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

// A validators finds the validators of files. ask may run ahead of answer, on another
// goroutine: waiting for git each time would take longer than the network.
type validators struct{ *git.Batch }

// ask requests validators by their git object names.
func (v *validators) ask(objects ...string) error {
	_, err := io.WriteString(v.In, strings.Join(objects, "\n")+"\n")
	return err
}

// eachKnown calls fn for the files with a validator, ordered by path, until it returns
// false.
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

// known is a file with a validator.
type known struct{ path, object string }

// answer returns the validator of the next requested file, if it belongs to our blob.
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

// message returns the commit message that readState parses.
func (s state) message() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // only strings and times
	}
	return "How far looks at a sparse index came\n\n" + string(text) + "\n"
}

// remembered returns the form of a validator in the state's tree.
func remembered(blob git.ID, v Validator) string {
	if strings.ContainsAny(v.ETag+v.LastModified, "\r\n\x00") {
		v = Validator{}
	}
	return fmt.Sprintf("%s\n%s\n%s\n", blob, v.ETag, v.LastModified)
}
