package statement

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MaxCheckpoint bounds a checkpoint with its signatures, in bytes.
const MaxCheckpoint = 16 << 10

// MaxLeaves bounds the leaves of a log: a thousand times as many as crates.io has.
const MaxLeaves = 1 << 31

// A Statement is the text of a checkpoint.
type Statement struct {
	Origin      string // name of the log, and of the signing key
	tlog.Tree          // leaves, and the root over them
	Held, Named int64  // versions of the index that are held, and that it names
	Commit      string // of the index, 40 or 64 hexadecimal digits
	CommitTime  time.Time
	At          time.Time // when everything held was durable
	Manifest    Manifest  // zero: none was written
}

// Manifest says which part of an audit log is covered.
type Manifest struct {
	Size  int64          // bytes, up to the end of its last line
	Chain crate.Checksum // of that line
}

// Layouts of the times.
const (
	commitLayout = "2006-01-02T15:04:05Z"
	atLayout     = "2006-01-02T15:04:05.000Z"
)

// Text returns the text of the checkpoint, without signatures.
func (s *Statement) Text() string {
	text := fmt.Sprintf("%s\n%d\n%s\n%s\n", s.Origin, s.N, s.Hash, s.Sentence())
	if s.Manifest != (Manifest{}) {
		text += fmt.Sprintf("manifest of %d bytes ends with chain %s\n", s.Manifest.Size, s.Manifest.Chain)
	}
	return text
}

// Sentence returns the line that says what is held.
func (s *Statement) Sentence() string {
	return fmt.Sprintf("%d of %d versions of index commit %s of %s held, verified, durable at %s",
		s.Held, s.Named, s.Commit, s.CommitTime.UTC().Format(commitLayout), s.At.UTC().Format(atLayout))
}

// Complete reports whether everything that the index names is held.
func (s *Statement) Complete() bool { return s.Held == s.Named }

// errText means that a text is not in canonical form.
var errText = errors.New("the checkpoint is not written as statements are (see docs/statements.md)")

// Parse parses the text of a checkpoint, whose signature was not verified yet.
func Parse(text string) (*Statement, error) {
	lines := strings.SplitAfter(text, "\n")
	if len(text) > MaxCheckpoint || len(lines) < 5 || len(lines) > 6 || lines[len(lines)-1] != "" {
		return nil, errText
	}
	s := &Statement{Origin: strings.TrimSuffix(lines[0], "\n")}
	var err error
	s.N, err = strconv.ParseInt(strings.TrimSuffix(lines[1], "\n"), 10, 64)
	if err == nil {
		s.Hash, err = parseHash(strings.TrimSuffix(lines[2], "\n"))
	}
	if err == nil {
		err = s.parseSentence(lines[3])
	}
	if err == nil && len(lines) == 6 {
		err = s.parseManifest(lines[4])
	}
	if err != nil || s.Text() != text {
		return nil, errors.Join(errText, err)
	}
	return s, s.check()
}

func (s *Statement) parseSentence(line string) error {
	var commitTime, at string
	_, err := fmt.Sscanf(line, "%d of %d versions of index commit %s of %s held, verified, durable at %s\n",
		&s.Held, &s.Named, &s.Commit, &commitTime, &at)
	if err == nil {
		s.CommitTime, err = time.Parse(commitLayout, commitTime)
	}
	if err == nil {
		s.At, err = time.Parse(atLayout, at)
	}
	return err
}

func (s *Statement) parseManifest(line string) error {
	var chain string
	_, err := fmt.Sscanf(line, "manifest of %d bytes ends with chain %s\n", &s.Manifest.Size, &chain)
	if err == nil {
		s.Manifest.Chain, err = crate.ParseChecksum(chain)
	}
	return err
}

// check rejects impossible values.
func (s *Statement) check() error {
	_, err := hex.DecodeString(s.Commit)
	switch {
	case !ValidOrigin(s.Origin):
		return fmt.Errorf("origin %.80q is no name of a log", s.Origin)
	case s.N < 1 || s.N > MaxLeaves:
		return fmt.Errorf("%d leaves, want 1 to %d", s.N, int64(MaxLeaves))
	case s.Held < 0 || s.Held > s.Named || s.Held > s.N:
		return fmt.Errorf("%d of %d versions with %d leaves cannot be", s.Held, s.Named, s.N)
	case err != nil || len(s.Commit) != 40 && len(s.Commit) != 64 || s.Commit != strings.ToLower(s.Commit):
		return fmt.Errorf("index commit %.80q is not a git commit id", s.Commit)
	case s.Manifest.Size < 0:
		return fmt.Errorf("manifest of %d bytes", s.Manifest.Size)
	}
	return nil
}

// ValidOrigin reports whether a name is valid for a log, and so for the key of a signed
// note.
func ValidOrigin(name string) bool {
	const most = 255
	return name != "" && len(name) <= most && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// A Verify checks whether a key signed a checkpoint, given all its bytes.
type Verify func(checkpoint []byte) error

// NoteVerify returns the Verify of a key of signed notes.
func NoteVerify(key note.Verifier) Verify {
	return func(checkpoint []byte) error {
		_, err := note.Open(checkpoint, note.VerifierList(key))
		return err
	}
}

// Open verifies a checkpoint and returns its statement.
func Open(checkpoint []byte, verify Verify) (*Statement, error) {
	s, err := Peek(checkpoint)
	if err == nil {
		err = verify(checkpoint)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Peek parses a checkpoint without verifying its signatures.
func Peek(checkpoint []byte) (*Statement, error) {
	if len(checkpoint) > MaxCheckpoint {
		return nil, fmt.Errorf("checkpoint of %d bytes, want at most %d", len(checkpoint), MaxCheckpoint)
	}
	text, signatures, ok := strings.Cut(string(checkpoint), "\n\n")
	if !ok {
		return nil, errors.New("the checkpoint has no signature")
	}
	s, err := Parse(text + "\n")
	return s, cmp.Or(err, checkSignatures(signatures))
}

// checkSignatures rejects lines that are not in canonical form, and a second line of a key,
// which readers of notes ignore.
func checkSignatures(lines string) error {
	const keyID = 4 // bytes
	seen := map[string]bool{}
	for line := range strings.Lines(lines) {
		rest, ok := strings.CutPrefix(line, "— ")
		name, sig, _ := strings.Cut(rest, " ")
		sig, whole := strings.CutSuffix(sig, "\n")
		raw, err := strictBase64.DecodeString(sig)
		if !ok || !whole || name == "" || err != nil || len(raw) < keyID || strings.Contains(sig, "\r") {
			return fmt.Errorf("signature line %.80q is malformed", line)
		}
		key := name + " " + string(raw[:keyID])
		if seen[key] {
			return fmt.Errorf("there are two signatures of the key %.80q", name)
		}
		seen[key] = true
	}
	return nil
}

// strictBase64 is base64 with only one encoding of the same bytes.
var strictBase64 = base64.StdEncoding.Strict()

func parseHash(text string) (h tlog.Hash, err error) {
	data, err := strictBase64.DecodeString(text)
	if err != nil || len(data) != len(h) {
		return h, fmt.Errorf("%.80q is not the base64 of a hash", text)
	}
	return tlog.Hash(data), nil
}
