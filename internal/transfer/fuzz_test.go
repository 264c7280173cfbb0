package transfer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzManifest: what is taken for a manifest is written again as it was, and its layout
// can be made.
func FuzzManifest(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Open(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Error(err)
			}
			return
		}
		if !strings.HasPrefix(string(data), m.Text()) {
			t.Errorf("%q is %q", data, m.Text())
		}
		for i := range m.Files {
			if strings.ContainsAny(m.Files[i].Name, `/\:`) {
				t.Errorf("%q is a path", m.Files[i].Name)
			}
		}
		m.Layout().ParitySize()
	})
}

// FuzzState: a state is read to its end, or refused.
func FuzzState(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewStateReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		defer r.Close()
		for n := 0; ; n++ {
			_, err := r.Next()
			if err == nil {
				continue
			}
			if err == io.EOF == r.Point.IsZero() || err != io.EOF && !errors.Is(err, ErrFormat) {
				t.Error(n, err, r.Point)
			}
			return
		}
	})
}

// FuzzFacts: a line is a fact, or refused.
func FuzzFacts(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for fact, err := range ReadFacts(bytes.NewReader(data)) {
			if err == nil {
				err = WriteFact(io.Discard, fact)
			} else if errors.Is(err, ErrFormat) {
				continue
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzLog: the file of a log is read to its end, or refused.
func FuzzLog(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := NewLogReader(bytes.NewReader(data))
		if err == nil {
			for key, leafErr := range l.Leaves(0) {
				if err = leafErr; err == nil && key.Check() != nil {
					t.Error(key)
				}
			}
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
	})
}
