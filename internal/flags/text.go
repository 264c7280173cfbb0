package flags

import (
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ReadText reads a text file made by a user or a script: UTF-8, or what its byte order mark
// says. PowerShell's ">" writes UTF-16, and its "Out-File -Encoding utf8" a byte order
// mark.
func ReadText(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(transform.NewReader(f, unicode.BOMOverride(transform.Nop)))
}
