package carry

import (
	"bufio"
	"bytes"
	"slices"
	"testing"
)

// FuzzBundle: whatever a file has, it is read within the limits or refused, and what a
// header says is what is written of it again.
func FuzzBundle(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		h, err := ReadHeader(r)
		if err != nil {
			return
		}
		again, err := ReadHeader(bufio.NewReader(bytes.NewReader([]byte(h.text()))))
		if err != nil || again.text() != h.text() || !slices.Equal(again.tips(), h.tips()) {
			t.Errorf("%q is %q, %v", h.text(), again.text(), err)
		}
		_ = checkPack(r)
	})
}
