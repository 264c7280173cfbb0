package sidecar

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// appendSidecar appends the i-th record as one line of JSON, without its end: the line of
// the index, without its closing brace, and our fields. Reading the index has checked that
// the line is a JSON object with a name.
func (b *batch) appendSidecar(out []byte, i int) ([]byte, error) {
	rec, line := &b.records[i], b.line(i)
	if bytes.IndexByte(line, '\r') >= 0 {
		// They are white space in JSON, but many readers of lines take them for the end of
		// one.
		compact := jsontext.Value(bytes.Clone(line))
		if err := compact.Compact(asItIs); err != nil {
			return out, fmt.Errorf("reading the line: %w", err)
		}
		line = compact
	}
	if rec.unknown { // perhaps one of ours
		var err error
		if line, err = without(line, rec.adds); err != nil {
			return out, fmt.Errorf("reading the line: %w", err)
		}
	}
	out = b.appendOurs(append(out, line[:len(line)-1]...), rec)
	if inside := rec.manifest(); inside != nil {
		text, err := json.Marshal(inside, jsontext.AllowInvalidUTF8(true)) // errors may quote bytes of the crate
		if err != nil {
			return out, err
		}
		out = append(append(out, `,"manifest":`...), text...)
	}
	return append(out, '}'), nil
}

// adds reports whether name is a field that we add to the record.
func (rec *record) adds(name string) bool {
	switch name {
	case "crate_file", "crate_url", "index_path":
		return true
	case "storage":
		return rec.place != nil && rec.place.Storage != ""
	case "bundle_path":
		return rec.place != nil && rec.place.BundlePath != ""
	case "bundle_member":
		return rec.place != nil && rec.place.BundleMember != ""
	case "manifest":
		return rec.manifest() != nil
	}
	return false
}

// appendOurs appends our fields, each after a comma. Names, versions and paths of an index
// have no characters that JSON escapes.
func (b *batch) appendOurs(out []byte, rec *record) []byte {
	out = append(append(append(out, `,"crate_file":"`...), rec.FileName()...), '"')
	out = appendText(out, `,"crate_url":`, b.urls.URL(rec.ID, rec.sum))
	out = append(append(append(out, `,"index_path":"`...), rec.path...), '"')
	if rec.place != nil {
		out = appendText(out, `,"storage":`, rec.place.Storage)
		out = appendText(out, `,"bundle_path":`, rec.place.BundlePath)
		out = appendText(out, `,"bundle_member":`, rec.place.BundleMember)
	}
	return out
}

// appendText appends a field unless it is empty.
func appendText(out []byte, field, value string) []byte {
	if value == "" {
		return out
	}
	out = append(out, field...)
	out, _ = jsontext.AppendQuote(out, value) // invalid UTF-8 becomes U+FFFD
	return out
}

// asItIs preserves the tokens of a line, and duplicate fields.
var asItIs = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))

// without returns a JSON object without some of its fields. The others keep
// their bytes.
func without(object []byte, drop func(name string) bool) ([]byte, error) {
	out := make([]byte, 0, len(object))
	err := eachField(object, func(name, value []byte, unquoted string) error {
		if drop(unquoted) {
			return nil
		}
		out = append(append(append(append(out, ','), name...), ':'), value...)
		return nil
	})
	if err != nil || len(out) == 0 {
		return []byte("{}"), err
	}
	out[0] = '{'
	return append(out, '}'), nil
}

// eachField calls visit for the fields of a JSON object, with their names quoted and
// unquoted.
func eachField(object []byte, visit func(name, value []byte, unquoted string) error) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), asItIs)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name = name.Clone()
		unquoted, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return err
		}
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := visit(name, value, string(unquoted)); err != nil {
			return err
		}
	}
	return nil
}
