package closure

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// maxNamesLine bounds a line of a file of names, in bytes.
const maxNamesLine = 64 << 10

// ReadNames reads a file of crates, one per line, in the syntax of "cargo add":
//
//	serde
//	tokio@1.30        # any version that a manifest with tokio = "1.30" may get
//	rand@>=0.8, <0.10
//	libc@=0.2.150
//
// It ignores blank lines and text after "#". A line that cannot be parsed is a Problem, and
// does not affect the others.
func ReadNames(r io.Reader, file string) (roots []Root, problems []Problem, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxNamesLine)
	n := 0
	for s.Scan() {
		n++
		text, _, _ := strings.Cut(s.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		where := fmt.Sprintf("%s:%d", file, n)
		root, err := parseName(text)
		if err != nil {
			problems = append(problems, Problem{Err: fmt.Errorf("%s: %w", where, err)})
			continue
		}
		root.Where = where
		roots = append(roots, root)
	}
	if err := s.Err(); err != nil {
		return nil, nil, fmt.Errorf("reading %s after line %d: %w", file, n, err)
	}
	return roots, problems, nil
}

func parseName(text string) (Root, error) {
	name, req, found := strings.Cut(text, "@")
	r := Root{Name: strings.TrimSpace(name), Text: strings.TrimSpace(req)}
	if err := crate.CheckName(r.Name); err != nil {
		return r, fmt.Errorf("%w; want NAME or NAME@REQUIREMENT, such as serde@1", err)
	}
	if !found {
		return r, nil
	}
	var err error
	r.Req, err = semver.ParseReq(r.Text)
	return r, err
}
