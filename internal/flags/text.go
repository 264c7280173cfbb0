package flags

import (
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ReadText reads a text file that a person or a script made: UTF-8, or what its
// byte order mark says. PowerShell writes ">" as UTF-16 and "Out-File -Encoding
// utf8" with a mark.
func ReadText(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(transform.NewReader(f, unicode.BOMOverride(transform.Nop)))
}
