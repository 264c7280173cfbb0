package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

var errRefused = errors.New("refused")

// decode refuses what begins with "!".
func decode(line []byte) (string, error) {
	if bytes.HasPrefix(line, []byte("!")) {
		return "half of it", errRefused
	}
	return string(line), nil
}

// readAll returns the values, and the errors as text.
func readAll(r io.Reader, maxLine int) (got []string) {
	for v, err := range Read(r, maxLine, decode) {
		if err != nil {
			v += "error: " + err.Error()
		}
		got = append(got, v)
	}
	return got
}

func TestRead(t *testing.T) {
	long := strings.Repeat("x", 1<<17) // longer than the buffer
	for name, tt := range map[string]struct {
		text string
		max  int
		want []string
	}{
		"nothing":   {"", 10, nil},
		"lines":     {"a\nb\r\n\n\r\nc\n", 10, []string{"a", "b", "c"}},
		"inner CR":  {"a\rb\n", 10, []string{"a\rb"}},
		"refused":   {"a\n\n!b\nc\n", 10, []string{"a", "error: line 3: refused", "c"}},
		"torn":      {"a\nb", 10, []string{"a", "error: line 2: line has no end"}},
		"torn, CR":  {"a\r", 10, []string{"error: line 1: line has no end"}},
		"limit":     {"123456789\n", 10, []string{"123456789"}},
		"too long":  {"1234567890\nb\n", 10, []string{"error: line 1: bufio.Scanner: token too long", "b"}},
		"long":      {long + "\nb\n", 1 << 18, []string{long, "b"}},
		"far too":   {long + long + "\nb\n", 1 << 16, []string{"error: line 1: bufio.Scanner: token too long", "b"}},
		"torn, too": {"a\n" + long, 1 << 16, []string{"a", "error: line 2: line has no end"}},
	} {
		if diff := cmp.Diff(tt.want, readAll(strings.NewReader(tt.text), tt.max)); diff != "" {
			t.Errorf("%s (-want +got):\n%.500s", name, diff)
		}
	}
}

// A disk that fails is no line that is wrong: it ends the sequence.
func TestReadError(t *testing.T) {
	r := io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(errRefused), strings.NewReader("c\n"))
	var last error
	n := 0
	for _, last = range Read(r, 10, decode) {
		n++
	}
	if n != 2 || !errors.Is(last, errRefused) || errors.As(last, new(*LineError)) {
		t.Errorf("%d values, then %v", n, last)
	}
	for _, err := range Read(strings.NewReader("!\n"), 10, decode) {
		if line := new(LineError); !errors.As(err, &line) || line.Line != 1 || !errors.Is(err, errRefused) {
			t.Errorf("%v", err)
		}
		break // and a consumer may stop
	}
}

// Whatever the bytes are: values are lines of the file in their order, and what is
// left out has an error or is empty.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n!c\n0123456789012345678901234567890123456789\nd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 32
		var want []string
		for n, line := range bytes.SplitAfter(b, []byte("\n")) {
			bare, ended := bytes.CutSuffix(line, []byte("\n"))
			bare = bytes.TrimSuffix(bare, []byte("\r"))
			switch {
			case len(line) == 0 || ended && len(bare) == 0:
			case !ended:
				want = append(want, fmt.Sprintf("error: line %d: %v", n+1, ErrTorn))
			case len(line) > most:
				want = append(want, fmt.Sprintf("error: line %d: %v", n+1, bufio.ErrTooLong))
			case bare[0] == '!':
				want = append(want, fmt.Sprintf("error: line %d: %v", n+1, errRefused))
			default:
				want = append(want, string(bare))
			}
		}
		if diff := cmp.Diff(want, readAll(bytes.NewReader(b), most)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
