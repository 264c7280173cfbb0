package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// logHead is the first line of the file of a log: the number of its first leaf, the number
// of leaves of the log, and the size of the checkpoint that follows, in bytes.
const logHead = "log %d %d %d\n"

// WriteLog writes the last checkpoint of a log, and its leaves beginning with a number.
func WriteLog(ctx context.Context, w io.Writer, l *tilelog.Log, from int64) error {
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, logHead, from, l.N, len(l.Checkpoint))
	out.Write(l.Checkpoint)
	for key, err := range l.Leaves(ctx, from, l.N) {
		if err != nil {
			return err
		}
		if _, err := out.WriteString(statement.Line(key)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// A LogReader reads the file of a log, which is untrusted.
type LogReader struct {
	Statement  *statement.Statement // its signatures are not verified
	Checkpoint []byte
	From       int64 // number of the first leaf
	in         *bufio.Reader
}

// NewLogReader reads up to the leaves. Errors: ErrFormat.
func NewLogReader(r io.Reader) (*LogReader, error) {
	l := &LogReader{in: bufio.NewReaderSize(r, 64<<10)}
	if err := l.head(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, LogName, err)
	}
	return l, nil
}

func (l *LogReader) head() error {
	line, err := l.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	var to int64
	var size int
	if _, err := fmt.Sscanf(string(line), logHead, &l.From, &to, &size); err != nil || fmt.Sprintf(logHead, l.From, to, size) != string(line) {
		return fmt.Errorf("%.80q is not its first line", line)
	}
	if l.From < 0 || to < l.From || to > statement.MaxLeaves || size < 0 || size > statement.MaxCheckpoint {
		return fmt.Errorf("%.80q is invalid", line)
	}
	l.Checkpoint = make([]byte, size)
	if _, err := io.ReadFull(l.in, l.Checkpoint); err != nil {
		return err
	}
	if l.Statement, err = statement.Peek(l.Checkpoint); err == nil && l.Statement.N != to {
		err = fmt.Errorf("its checkpoint is about %d leaves, not %d", l.Statement.N, to)
	}
	return err
}

// Leaves yields the leaves after the first but ones. It may be called once. An error ends
// the sequence: ErrFormat.
func (l *LogReader) Leaves(but int64) iter.Seq2[crate.Key, error] {
	return func(yield func(crate.Key, error) bool) {
		for n := l.From; n < l.Statement.N; n++ {
			key, err := l.leaf()
			if err != nil {
				yield(key, fmt.Errorf("%w: %s: leaf %d: %w", ErrFormat, LogName, n, err))
				return
			}
			if n-l.From >= but && !yield(key, nil) {
				return
			}
		}
		if _, err := l.in.ReadByte(); !errors.Is(err, io.EOF) {
			yield(crate.Key{}, fmt.Errorf("%w: %s: something follows its last leaf", ErrFormat, LogName))
		}
	}
}

func (l *LogReader) leaf() (crate.Key, error) {
	line, err := l.in.ReadSlice('\n')
	if err != nil {
		return crate.Key{}, err
	}
	return statement.ParseLine(string(line))
}
