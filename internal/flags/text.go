package flags

import (
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ReadText opens a text file that a user or a script made, and passes its text to read as
// UTF-8 without a byte order mark. The mark may say that the file is UTF-16: PowerShell's ">"
// writes that, and its "Out-File -Encoding utf8" writes UTF-8 with a mark.
func ReadText(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(transform.NewReader(f, unicode.BOMOverride(transform.Nop)))
}
