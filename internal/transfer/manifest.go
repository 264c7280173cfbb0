package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
)

// Names of files in a volume.
const (
	NoteName   = "transfer.note"
	BlocksName = "blocks"
	IndexName  = "index.bundle"
	FactsName  = "facts.jsonl"
	LogName    = "statements"
	GateName   = "gate.json"
)

const (
	headline = "clonecratesio transfer 1"
	maxSize  = 1 << 50 // maximum size of a file, bytes
	// MaxVolumes is the maximum number of volumes of a transfer.
	MaxVolumes = 999
	// MaxFiles bounds the files of a manifest, which is signed as a whole.
	MaxFiles = 3500
)

// ErrFormat means that a file is not part of a transfer, although it should be.
var ErrFormat = errors.New("it is not of a transfer of clonecratesio")

// A Manifest is the content of a transfer.
type Manifest struct {
	Base     Point // zero: everything is carried
	End      Point
	Versions int64 // crate files held at the end
	Volumes  int
	Parity   int // percent; 0: none
	Files    []File
}

// A File is a file of a transfer.
type File struct {
	Volume  int // the volume that has it, from 1; 0: each
	Name    string
	Size    int64 // in bytes
	SHA256  crate.Checksum
	Entries int // crates in a bundle
}

// Folder returns the name of the folder of a transfer.
func (m *Manifest) Folder() string { return "transfer-" + m.End.ID() }

// VolumeName returns the name of the folder of a volume.
func VolumeName(n int) string { return fmt.Sprintf("volume-%03d", n) }

// ParityName returns the name of a parity file.
func ParityName(n int) string { return fmt.Sprintf("parity-%03d", n) }

// Bytes returns the size of all files, each counted once.
func (m *Manifest) Bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Size
	}
	return sum
}

// Crates returns the number of crate files that are carried in bundles.
func (m *Manifest) Crates() (sum int) {
	for _, f := range m.Files {
		sum += f.Entries
	}
	return sum
}

// Text returns the text that is signed.
func (m *Manifest) Text() string {
	var b strings.Builder
	base := "none"
	if !m.Base.IsZero() {
		base = m.Base.fields()
	}
	fmt.Fprintf(&b, "%s\nbase %s\nend %s\nversions %d\n", headline, base, m.End.fields(), m.Versions)
	fmt.Fprintf(&b, "volumes %d\nparity %d\n", m.Volumes, m.Parity)
	for _, f := range m.Files {
		fmt.Fprintf(&b, "file %d %s %d %s %d\n", f.Volume, f.Name, f.Size, f.SHA256, f.Entries)
	}
	return b.String()
}

// Seal returns the manifest file, signed by the keys if there are any.
func (m *Manifest) Seal(keys ...*signing.Signer) ([]byte, error) {
	text := []byte(m.Text())
	if len(m.Files) > MaxFiles {
		return nil, fmt.Errorf("it has %d files, at most %d are to be: make larger volumes", len(m.Files), MaxFiles)
	}
	if m.Volumes > MaxVolumes {
		return nil, fmt.Errorf("it has %d volumes, at most %d are to be: make larger ones", m.Volumes, MaxVolumes)
	}
	if len(keys) == 0 {
		return text, nil
	}
	var sigs []signing.Signature
	for _, key := range keys {
		sig, err := key.Sign(text)
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, sig)
	}
	return signing.Seal(text, sigs...)
}

// Open parses a manifest file. One of the keys must have signed the text; without keys,
// signatures are not verified. Errors: ErrFormat, *signing.UnknownSignersError.
func Open(note []byte, keys ...*signing.Verifier) (*Manifest, error) {
	if len(note) > signing.MaxNote {
		return nil, fmt.Errorf("%w: the manifest has more than %d bytes", ErrFormat, signing.MaxNote)
	}
	text := note
	if len(keys) > 0 {
		if !bytes.Contains(note, []byte("\n\n")) {
			return nil, fmt.Errorf("%w: the manifest is not signed", &signing.UnknownSignersError{})
		}
		var err error
		if text, _, err = signing.Open(note, keys...); err != nil {
			return nil, err
		}
	} else if i := bytes.Index(note, []byte("\n\n")); i >= 0 {
		text = note[:i+1]
	}
	m, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%w: its manifest: %w", ErrFormat, err)
	}
	return m, nil
}

// parse is the inverse of Text, and accepts nothing else.
func parse(text string) (*Manifest, error) {
	m := new(Manifest)
	head, rest := text, ""
	for range 6 {
		_, after, _ := strings.Cut(head, "\n")
		head = after
	}
	rest = head
	lines := strings.Split(strings.TrimSuffix(text[:len(text)-len(rest)], "\n"), "\n")
	if len(lines) != 6 || lines[0] != headline {
		return nil, fmt.Errorf("it does not begin with %q and five lines more", headline)
	}
	if err := m.parseHead(lines); err != nil {
		return nil, err
	}
	for line := range strings.Lines(rest) {
		if len(m.Files) == MaxFiles {
			return nil, fmt.Errorf("it has more than %d files", MaxFiles)
		}
		f, err := parseFile(strings.Split(strings.TrimSuffix(line, "\n"), " "))
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, f)
	}
	if m.Text() != text {
		return nil, errors.New("it is written otherwise than we write it")
	}
	return m, m.check()
}

func (m *Manifest) parseHead(lines []string) (err error) {
	want := []struct {
		word string
		n    int
	}{{"base", 0}, {"end", 1 + pointFields}, {"versions", 2}, {"volumes", 2}, {"parity", 2}}
	var fields [5][]string
	for i, w := range want {
		fields[i] = strings.Split(lines[i+1], " ")
		if fields[i][0] != w.word || w.n > 0 && len(fields[i]) != w.n {
			return fmt.Errorf("its line %d is not of %q", i+2, w.word)
		}
	}
	if base := fields[0]; len(base) == 1+pointFields {
		if m.Base, err = parsePoint(base[1:]); err != nil {
			return err
		}
	} else if len(base) != 2 || base[1] != "none" {
		return errors.New("its base is invalid")
	}
	if m.End, err = parsePoint(fields[1][1:]); err != nil {
		return err
	}
	versions, err := parseNumber(fields[2][1], 1<<40)
	if err != nil {
		return err
	}
	m.Versions = int64(versions)
	if m.Volumes, err = parseNumber(fields[3][1], MaxVolumes); err != nil {
		return err
	}
	m.Parity, err = parseNumber(fields[4][1], 100)
	return err
}

func parseFile(fields []string) (f File, err error) {
	if len(fields) != 6 || fields[0] != "file" {
		return f, fmt.Errorf("%.80q is no line of a file", strings.Join(fields, " "))
	}
	f.Name = fields[2]
	if f.Volume, err = parseNumber(fields[1], MaxVolumes); err != nil {
		return f, err
	}
	size, err := parseNumber(fields[3], maxSize)
	if err != nil {
		return f, err
	}
	f.Size = int64(size)
	if f.SHA256, err = crate.ParseChecksum(fields[4]); err != nil {
		return f, err
	}
	f.Entries, err = parseNumber(fields[5], bundle.MaxMembers)
	return f, err
}

// Kind is the kind of a file of a transfer.
type Kind int

// The kinds.
const (
	Unknown Kind = iota
	Index
	Facts
	Log
	Hidden // what is hidden from builds: a Gate
	Bundle
	Segment
	Parity
	Blocks
)

// Kind returns the kind that the name implies.
func (f *File) Kind() Kind {
	switch f.Name {
	case IndexName:
		return Index
	case FactsName:
		return Facts
	case LogName:
		return Log
	case GateName:
		return Hidden
	case BlocksName:
		return Blocks
	}
	if _, err := bundle.ParseFileName(f.Name); err == nil {
		return Bundle
	}
	if _, err := deep.ParseFileName(f.Name); err == nil {
		return Segment
	}
	var n int
	if _, err := fmt.Sscanf(f.Name, "parity-%03d", &n); err == nil && ParityName(n) == f.Name {
		return Parity
	}
	return Unknown
}

// check checks the names and sizes of the files.
func (m *Manifest) check() error {
	seen := map[string]bool{}
	have := map[Kind]int{}
	for i := range m.Files {
		f := &m.Files[i]
		kind := f.Kind()
		switch {
		case kind == Unknown:
			return fmt.Errorf("%.80q is no name of a file", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("%s is there twice", f.Name)
		case f.Volume > m.Volumes || (f.Volume == 0) != (kind == Blocks):
			return fmt.Errorf("%s is in volume %d of %d", f.Name, f.Volume, m.Volumes)
		case f.Size == 0 && kind != Facts && kind != Blocks:
			return fmt.Errorf("%s is empty", f.Name)
		}
		seen[f.Name] = true
		have[kind]++
	}
	if have[Index] != 1 || have[Facts] != 1 || have[Blocks] != 1 {
		return fmt.Errorf("it is without %s, %s or %s", IndexName, FactsName, BlocksName)
	}
	if m.End.Line == m.Base.Line && m.End.Number <= m.Base.Number || (have[Parity] > 0) != (m.Parity > 0) {
		return errors.New("its base and parity make no sense")
	}
	blocks := m.Files[0]
	if blocks.Name != BlocksName || blocks.Size != m.Layout().blocksSize() {
		return fmt.Errorf("%s is not the first file, or has another size than %d", BlocksName, m.Layout().blocksSize())
	}
	return nil
}
