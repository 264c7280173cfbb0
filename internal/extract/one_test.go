package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
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
						lines, err = lists.AppendManifestLine(lines, lists.ManifestEntry{
							Member: bundle.Member{ID: it.ID, Size: int64(len(it.Data)), Checksum: sha256.Sum256(it.Data), Placement: *tt.claimed}})
						must(t, err)
					}
					m.write(lists.ManifestName(bundle.Name{Number: 0}, "a", "z"), lines)
				}
				against := ix
				if tt.by != ByIndex {
					against = nil
				}
				var out bytes.Buffer
				by, err := One(context.Background(), m.mem, name, crate.Key{ID: all[4].ID}, against, &out)
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
		_, err := One(context.Background(), m.mem, name, crate.Key{ID: crate.ID{Name: "other", Version: "1.0.0"}}, nil, &bytes.Buffer{})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a crate that is not there: %v", format, err)
		}
	}
}

// A bundle may hold a version with the bytes of before and of now (A8): the index
// says which come out, else the manifest's last line, else the caller.
func TestA8OneOfSeveral(t *testing.T) {
	for _, size := range []int{100, inMemory + 1} {
		before, now := item{ID: items()[0].ID, Data: noise(size, 1)}, item{ID: items()[0].ID, Data: noise(size, 2)}
		ofBefore, ofNow := crate.Checksum(sha256.Sum256(before.Data)), crate.Checksum(sha256.Sum256(now.Data))
		for format, build := range formats {
			for _, in := range [][]item{{before, now}, {now, items()[1], before}, {before, before, now}} {
				for _, tt := range []struct {
					what     string
					sum      crate.Checksum
					index    *item
					manifest []item
					want     []byte
					by       Authority
				}{
					{"index", crate.Checksum{}, &now, in, now.Data, ByIndex},
					{"older index", crate.Checksum{}, &before, in, before.Data, ByIndex},
					{"manifest", crate.Checksum{}, nil, in, in[len(in)-1].Data, ByManifest},
					{"checksum", ofBefore, nil, in, before.Data, ByCaller},
					{"the other checksum", ofNow, nil, nil, now.Data, ByCaller},
				} {
					m := newMedia(t)
					m.write(name, build(t, in))
					if tt.manifest != nil {
						m.manifest(tt.manifest)
					}
					var out bytes.Buffer
					key := crate.Key{ID: before.ID, Checksum: tt.sum}
					var by Authority
					var err error
					if tt.index != nil {
						by, err = One(t.Context(), m.mem, name, key, indexOf(t, []item{*tt.index}), &out)
					} else {
						by, err = One(t.Context(), m.mem, name, key, nil, &out)
					}
					if err != nil || by != tt.by || !bytes.Equal(out.Bytes(), tt.want) {
						t.Errorf("%s, %s: %d bytes by %q, %v", format, tt.what, out.Len(), by, err)
					}
				}
				m := newMedia(t)
				m.write(name, build(t, in))
				var out bytes.Buffer
				_, err := One(t.Context(), m.mem, name, crate.Key{ID: before.ID}, nil, &out)
				if several := (*AmbiguousError)(nil); !errors.As(err, &several) || len(several.Sums) != 2 || out.Len() > 0 {
					t.Errorf("%s: %d bytes, %v, want to be asked which of two", format, out.Len(), err)
				}
				_, err = One(t.Context(), m.mem, name, crate.Key{ID: before.ID, Checksum: crate.Checksum{1}}, nil, &out)
				if p := (*Problem)(nil); !errors.As(err, &p) || p.Kind != Wrong || out.Len() > 0 {
					t.Errorf("%s: %d bytes, %v, want a problem", format, out.Len(), err)
				}
			}
		}
	}
}
