package policy

import (
	"bytes"
	"errors"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/tomlfile"
)

// Whatever a file says, it is a policy, or what is wrong with it is told with lines.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(bytes.NewReader(data), "p")
		if bad, ok := errors.AsType[*tomlfile.Error](err); ok {
			for _, p := range bad.Problems {
				if lines := bytes.Count(data, []byte("\n")) + 1; p.Line < 1 || p.Line > lines || p.Text == "" {
					t.Errorf("%+v of %d lines", p, lines)
				}
			}
			return
		}
		if err != nil {
			return
		}
		if p := file.policy; p.advisories == nil {
			p.Judge(subject("serde@1.0.219"), noon)
			p.Describe()
		}
	})
}
