package runlog

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// appendTo appends the line of a record without its end and its chain, as a JSON encoder
// writes it. A run that finds nothing new writes millions of lines, for which an encoder
// based on reflection takes almost three times as long.
func (r *Record) appendTo(b []byte, prev string) []byte {
	b = append(b, `{"schema_version":`...)
	b = strconv.AppendInt(b, SchemaVersion, 10)
	b = appendText(b, `,"url":`, r.URL)
	b = appendText(b, `,"path":`, r.Path)
	b = appendSome(b, `,"storage":`, r.Storage)
	b = appendSome(b, `,"bundle_path":`, r.BundlePath)
	b = appendSome(b, `,"bundle_member":`, r.BundleMember)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, r.Size, 10)
	b = appendText(b, `,"sha256":`, r.SHA256)
	b = appendText(b, `,"started_at":`, r.StartedAt)
	b = appendText(b, `,"finished_at":`, r.FinishedAt)
	b = append(b, `,"ok":`...)
	b = strconv.AppendBool(b, r.OK)
	b = appendSome(b, `,"error":`, r.Error)
	if r.Retries != 0 {
		b = append(b, `,"retries":`...)
		b = strconv.AppendInt(b, int64(r.Retries), 10)
	}
	b = appendSome(b, `,"status":`, r.Status)
	b = appendSome(b, `,"crate":`, r.Crate)
	b = appendSome(b, `,"version":`, r.Version)
	b = appendSome(b, `,"replaces":`, r.Replaces)
	b = appendSome(b, `,"prev":`, prev)
	return append(b, '}')
}

// appendSome appends a field, unless it is empty.
func appendSome(b []byte, field, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(b, field, text)
}

func appendText(b []byte, field, text string) []byte {
	b = append(b, field...)
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			// Errors quote bytes from outside. Invalid UTF-8 becomes U+FFFD, which is the
			// only error.
			b, _ = jsontext.AppendQuote(b, text)
			return b
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
