package flags

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"
)

// A27: ReadText reads files that PowerShell wrote.
func TestA27ReadText(t *testing.T) {
	const text = "serde # größer 🦀\r\nrand@1\r\n"
	encode := func(order binary.AppendByteOrder, mark bool) (b []byte) {
		units := utf16.Encode([]rune(text))
		if mark {
			units = append([]uint16{0xfeff}, units...)
		}
		for _, u := range units {
			b = order.AppendUint16(b, u)
		}
		return b
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"UTF-8":                  {[]byte(text), text},
		"UTF-8 with a mark":      {[]byte("\xef\xbb\xbf" + text), text},
		"UTF-16LE":               {encode(binary.LittleEndian, true), text},
		"UTF-16BE":               {encode(binary.BigEndian, true), text},
		"UTF-16 without a mark":  {encode(binary.LittleEndian, false), string(encode(binary.LittleEndian, false))},
		"nothing":                {nil, ""},
		"a mark alone":           {[]byte("\xff\xfe"), ""},
		"half a character":       {[]byte("\xff\xfea\x00b"), "a\ufffd"},
		"bytes that are no text": {[]byte("\x80\xff"), "\x80\xff"},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, tt.file, 0o644); err != nil {
			t.Fatal(err)
		}
		err := ReadText(path, func(r io.Reader) error {
			got, err := io.ReadAll(r)
			if string(got) != tt.want {
				t.Errorf("%s: %q, want %q", name, got, tt.want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
