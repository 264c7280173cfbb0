package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// One crate comes out of either format, whatever the manifest claims about
// its place, and never if it is not what it ought to be.
func TestOne(t *testing.T) {
	all := large()
	ix := indexOf(t, all)
	forged := large()
	forged[4].Data = noise(inMemory+1, 77)
	for format, build := range formats {
		for _, tt := range []struct {
			what    string
			in      []item
			claimed *bundle.Placement // of every member; nil: no manifest
			cut     int
			by      Authority
			kind    Kind // of the problem, if by is ""
		}{
			{"index", all, nil, 0, ByIndex, 0},
			{"itself", all, nil, 0, ByItself, 0},
			{"manifest without places", all, &bundle.Placement{}, 0, ByManifest, 0},
			{"manifest that lies", all, &bundle.Placement{Offset: 7, FrameSize: 99}, 0, ByManifest, 0},
			{"manifest that names another place", all, &bundle.Placement{Offset: 0, FrameSize: memberEnds(t, ours(t, all))[0]}, 0, ByManifest, 0},
			{"F9 forged", forged, &bundle.Placement{}, 0, "", Wrong},
			{"E3 truncated", all, nil, 5000, "", Damaged},
		} {
			t.Run(format+" "+tt.what, func(t *testing.T) {
				b := build(t, tt.in)
				m := newMedia(t)
				m.write(name, b[:len(b)-tt.cut])
				if tt.claimed != nil {
					var lines []byte
					for _, it := range all {
						var err error
						lines, err = bundle.AppendManifestLine(lines, bundle.ManifestEntry{
							Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data), Placement: *tt.claimed}})
						must(t, err)
					}
					m.write(bundle.ManifestName(0, "a", "z"), lines)
				}
				against := ix
				if tt.by != ByIndex {
					against = nil
				}
				var out bytes.Buffer
				by, err := One(context.Background(), m.mem, name, all[4].ID, against, &out)
				if tt.by == "" {
					if p := (*Problem)(nil); !errors.As(err, &p) || p.Kind != tt.kind {
						t.Errorf("error %v, want a problem: %v", err, tt.kind)
					}
					return
				}
				if err != nil || by != tt.by || !bytes.Equal(out.Bytes(), all[4].Data) {
					t.Errorf("%d bytes by %q, %v", out.Len(), by, err)
				}
			})
		}
		m := newMedia(t)
		m.write(name, build(t, all))
		_, err := One(context.Background(), m.mem, name, crate.ID{Name: "other", Version: "1.0.0"}, nil, &bytes.Buffer{})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a crate that is not there: %v", format, err)
		}
	}
}
