package sidecar

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Row is a sidecar as a row of a Parquet file. Values that a version does not have are
// null. JSON texts are as in the index.
//
// Features2 and Other are plain strings in Parquet: parquet-go v0.32.0 writes wrong
// definition levels for a column that is optional and JSON.
type Row struct {
	Name          string    `parquet:"name,dict"`
	Version       string    `parquet:"version"`
	Cksum         string    `parquet:"cksum"` // SHA-256 of the crate file, 64 lower-case hexadecimal digits
	Yanked        bool      `parquet:"yanked"`
	Pubtime       time.Time `parquet:"pubtime,optional,timestamp(millisecond)"` // when it was published; the index has it of newer versions
	RustVersion   string    `parquet:"rust_version,optional,dict"`
	Links         string    `parquet:"links,optional,dict"`
	V             int32     `parquet:"v,optional"`         // of the line; null: 1
	DepsCount     int32     `parquet:"deps_count"`         // of all kinds
	Deps          string    `parquet:"deps,json"`          // JSON array
	Features      string    `parquet:"features,json"`      // JSON object
	Features2     string    `parquet:"features2,optional"` // JSON object, of the newer syntax
	FeaturesCount int32     `parquet:"features_count"`     // of features and features2
	Other         string    `parquet:"other,optional"`     // JSON object of the fields that cargo does not know

	CrateFile string `parquet:"crate_file"`
	CrateURL  string `parquet:"crate_url"`
	IndexPath string `parquet:"index_path,dict"`

	Storage      string `parquet:"storage,optional,dict"`
	BundlePath   string `parquet:"bundle_path,optional,dict"`
	BundleMember string `parquet:"bundle_member,optional"`

	Description   string   `parquet:"description,optional"`
	License       string   `parquet:"license,optional,dict"`
	LicenseFile   string   `parquet:"license_file,optional,dict"`
	Repository    string   `parquet:"repository,optional,dict"`
	Homepage      string   `parquet:"homepage,optional,dict"`
	Documentation string   `parquet:"documentation,optional,dict"`
	Categories    []string `parquet:"categories,list"`
	Keywords      []string `parquet:"keywords,list"`
	Edition       string   `parquet:"edition,optional,dict"`
	UnpackedSize  *int64   `parquet:"unpacked_size,optional"`
	FileCount     *int64   `parquet:"file_count,optional"`
	Unreadable    string   `parquet:"unreadable,optional"` // why nothing of these is known
}

// row returns the i-th record as a row.
func (b *batch) row(i int) (Row, error) {
	rec := &b.records[i]
	row := Row{
		Name: rec.Name, Version: rec.Version, Cksum: rec.sum.String(), Yanked: rec.yanked, Deps: "[]", Features: "{}",
		CrateFile: rec.FileName(), CrateURL: b.urls.URL(rec.ID, rec.sum), IndexPath: rec.path,
	}
	if p := rec.place; p != nil {
		row.Storage, row.BundlePath, row.BundleMember = p.Storage, p.BundlePath, p.BundleMember
	}
	var other []byte
	err := eachField(b.line(i), func(name, value []byte, unquoted string) error {
		switch unquoted {
		case "name", "vers", "cksum", "yanked":
			return nil
		}
		if known, err := row.set(unquoted, value); known || err != nil {
			return err
		}
		other = append(append(append(append(other, ','), name...), ':'), value...)
		return nil
	})
	if err != nil {
		return row, fmt.Errorf("reading the line: %w", err)
	}
	if len(other) > 0 {
		other[0] = '{'
		row.Other = string(append(other, '}'))
	}
	row.tell(rec)
	return row, nil
}

// set sets a column from a field of the index, if a column for it exists and the field has
// its type.
func (row *Row) set(name string, value jsontext.Value) (known bool, err error) {
	kind := value.Kind()
	if kind == jsontext.KindNull {
		return true, nil
	}
	switch {
	case name == "deps" && kind == jsontext.KindBeginArray:
		row.Deps = string(value)
		row.DepsCount, err = elements(value, 1)
	case name == "features" && kind == jsontext.KindBeginObject:
		row.Features = string(value)
		n, e := elements(value, 2)
		row.FeaturesCount, err = row.FeaturesCount+n, e
	case name == "features2" && kind == jsontext.KindBeginObject:
		row.Features2 = string(value)
		n, e := elements(value, 2)
		row.FeaturesCount, err = row.FeaturesCount+n, e
	case name == "links" && kind == jsontext.KindString:
		row.Links = unquote(value)
	case name == "rust_version" && kind == jsontext.KindString:
		row.RustVersion = unquote(value)
	case name == "pubtime" && kind == jsontext.KindString:
		at, e := time.Parse(time.RFC3339, unquote(value))
		if e != nil {
			return false, nil
		}
		row.Pubtime = at
	case name == "v" && kind == jsontext.KindNumber:
		var v int32
		if json.Unmarshal(value, &v) != nil {
			return false, nil
		}
		row.V = v
	default:
		return false, nil
	}
	return true, err
}

// tell sets the columns from inside the crate.
func (row *Row) tell(rec *record) {
	if rec.unreadable != nil {
		row.Unreadable = rec.unreadable.Error()
	}
	said := rec.said
	if said == nil {
		return
	}
	row.Description, row.License, row.LicenseFile = said.Description, said.License, said.LicenseFile
	row.Repository, row.Homepage, row.Documentation = said.Repository, said.Homepage, said.Documentation
	row.Categories, row.Keywords, row.Edition = said.Categories, said.Keywords, said.Edition
	row.UnpackedSize, row.FileCount = &said.UnpackedSize, &said.FileCount
}

func unquote(value jsontext.Value) string {
	s, _ := jsontext.AppendUnquote(nil, value) // the decoder has checked that it is a string
	return string(s)
}

// elements counts the values of a JSON array or object; each is the number of values per
// element.
func elements(value jsontext.Value, each int32) (n int32, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value), asItIs)
	if _, err := dec.ReadToken(); err != nil {
		return 0, err
	}
	for kind := dec.PeekKind(); kind != jsontext.KindEndArray && kind != jsontext.KindEndObject; kind = dec.PeekKind() {
		if err := dec.SkipValue(); err != nil {
			return 0, err
		}
		n++
	}
	return n / each, nil
}
