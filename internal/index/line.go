package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MaxLine is the maximum length of a line, in bytes. The longest real one has some 60 kB.
const MaxLine = 16 << 20

var parsers = sync.Pool{New: func() any { return new(parser) }}

// ParseLine parses a line of an index, without its end. Entry.Raw is raw itself, not a
// copy, and Line is 0. With an error, Entry.ID is the line's version if that part is valid.
func ParseLine(raw []byte) (Entry, error) {
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	return p.line(raw)
}

// A parser parses lines one after the other and keeps what they can share.
type parser struct {
	dec  jsontext.Decoder
	in   bytes.Buffer // the decoder reads a bytes.Buffer without copying
	name string       // the last valid name: the lines of a file share it
}

// cargo parses a line into a Rust struct with these fields: a duplicate is an error, and
// anything else is ignored (cargo, IndexPackage). We need four of them. "yanked" is an
// Option<bool>: if it is absent or null, the version is not yanked.
type field uint

const (
	fieldName field = 1 << iota
	fieldVers
	fieldCksum
	fieldYanked
	fieldDeps
	fieldFeatures
	fieldFeatures2
	fieldLinks
	fieldRustVersion
	fieldPubtime
	fieldV
	fieldUnknown field = 0
)

func fieldOf(key []byte) field {
	switch string(key) {
	case "name":
		return fieldName
	case "vers":
		return fieldVers
	case "cksum":
		return fieldCksum
	case "yanked":
		return fieldYanked
	case "deps":
		return fieldDeps
	case "features":
		return fieldFeatures
	case "features2":
		return fieldFeatures2
	case "links":
		return fieldLinks
	case "rust_version":
		return fieldRustVersion
	case "pubtime":
		return fieldPubtime
	case "v":
		return fieldV
	}
	return fieldUnknown
}

// values are the fields of a line that we need. The slices point into the line.
type values struct {
	seen              field
	name, vers, cksum []byte
	yanked            bool
	unknown           bool // the line has other fields
}

func (p *parser) line(raw []byte) (Entry, error) {
	e := Entry{Raw: raw}
	if len(raw) > MaxLine {
		return e, fmt.Errorf("line has %d bytes, want at most %d", len(raw), MaxLine)
	}
	var v values
	err := p.object(raw, &v)
	// A broken line is also better reported with its version.
	id, idErr := p.id(&v)
	e.ID = id
	if err != nil {
		return e, err
	}
	if idErr != nil {
		return e, idErr
	}
	if v.seen&fieldCksum == 0 {
		return e, errors.New(`field "cksum" is missing`)
	}
	e.Yanked, e.Unknown = v.yanked, v.unknown
	e.Checksum, err = crate.ParseChecksum(string(v.cksum))
	return e, err
}

// id returns the version of the line, or the zero ID and an error.
func (p *parser) id(v *values) (crate.ID, error) {
	if v.seen&fieldName == 0 {
		return crate.ID{}, errors.New(`field "name" is missing`)
	}
	if v.seen&fieldVers == 0 {
		return crate.ID{}, errors.New(`field "vers" is missing`)
	}
	if string(v.name) != p.name {
		name := string(v.name)
		if err := crate.CheckName(name); err != nil {
			return crate.ID{}, err
		}
		p.name = name
	}
	version := string(v.vers)
	id := crate.ID{Name: p.name, Version: version}
	if err := id.Check(); err != nil {
		return crate.ID{}, err
	}
	return id, nil
}

// object reads the line's JSON object into v, as far as it is valid.
func (p *parser) object(raw []byte, v *values) error {
	p.in = *bytes.NewBuffer(raw)
	// Duplicate names are checked as in cargo: at the top level and in the fields that it
	// knows.
	p.dec.Reset(&p.in, jsontext.AllowDuplicateNames(true))
	if kind := p.dec.PeekKind(); kind != jsontext.KindBeginObject && kind != jsontext.KindInvalid {
		return errors.New("not a JSON object")
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return jsonError(err)
	}
	for p.dec.PeekKind() != jsontext.KindEndObject {
		if err := p.member(v); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return jsonError(err)
	}
	if rest := bytes.TrimLeft(raw[p.dec.InputOffset():], " \t\r"); len(rest) > 0 {
		return fmt.Errorf("byte %d: something follows the JSON object", len(raw)-len(rest))
	}
	return nil
}

func (p *parser) member(v *values) error {
	key, err := p.dec.ReadValue()
	if err != nil {
		return jsonError(err)
	}
	f := fieldOf(unquote(key))
	if v.seen&f != 0 {
		return fmt.Errorf("field %s is there twice", key)
	}
	value, err := p.dec.ReadValue()
	if err != nil {
		return jsonError(err)
	}
	v.seen |= f
	switch f {
	case fieldUnknown:
		v.unknown = true
	case fieldName:
		v.name, err = stringValue("name", value)
	case fieldVers:
		v.vers, err = stringValue("vers", value)
	case fieldCksum:
		v.cksum, err = stringValue("cksum", value)
	case fieldYanked:
		v.yanked, err = boolValue("yanked", value)
	}
	if err != nil {
		v.seen &^= f
	}
	return err
}

func stringValue(key string, value jsontext.Value) ([]byte, error) {
	if value.Kind() != jsontext.KindString {
		return nil, fmt.Errorf("field %q is of JSON kind %v, want a string", key, value.Kind())
	}
	return unquote(value), nil
}

func boolValue(key string, value jsontext.Value) (bool, error) {
	switch value.Kind() {
	case jsontext.KindTrue:
		return true, nil
	case jsontext.KindFalse, jsontext.KindNull:
		return false, nil
	}
	return false, fmt.Errorf("field %q is of JSON kind %v, want true or false", key, value.Kind())
}

// unquote returns the value of a valid JSON string, which is mostly a part of it.
func unquote(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	s, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil { // not a string: the decoder has rejected it before
		return nil
	}
	return s
}

// jsonError returns the useful part of a decoder's error. Its JSON pointer may be as long
// as the line.
func jsonError(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("byte %d: %w", syntax.ByteOffset, syntax.Err)
	}
	if errors.Is(err, io.EOF) { // the line is empty
		return io.ErrUnexpectedEOF
	}
	return err
}
