package deep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
)

func TestRebuildKey(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	r := open(t, b)
	d := directories(t, r)[2]
	ctx, key := context.Background(), packs[2][1].Key
	if got := d.Find(key); got != 1 {
		t.Errorf("Find = %d", got)
	}
	other := key
	other.Checksum[0] ^= 1
	if got := d.Find(other); got != -1 {
		t.Errorf("Find of other bytes = %d", got)
	}
	for name, tt := range map[string]struct {
		at  Placement
		n   int
		key crate.Key
		is  func(error) bool
	}{
		"another version": {d.Placement, 0, key, isNotThere},
		"other bytes":     {d.Placement, 1, other, isNotThere},
		"no such number":  {d.Placement, 3, key, isNotThere},
		"below zero":      {d.Placement, -1, key, isNotThere},
		"other place":     {Placement{d.Offset + 1, d.Size}, 1, key, IsDamage},
		"other size":      {Placement{d.Offset, d.Size + 1}, 1, key, IsDamage},
		"behind the file": {Placement{1 << 40, 10}, 1, key, IsDamage},
		"before it":       {Placement{-1, 10}, 1, key, IsDamage},
	} {
		if data, err := r.RebuildKey(ctx, tt.at, tt.n, tt.key); data != nil || !tt.is(err) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.RebuildKey(ctx, d.Placement, 1, key); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func isNotThere(err error) bool { return errors.Is(err, ErrNotThere) && errors.Is(err, fs.ErrNotExist) }

// The memory for a version is known before it is rebuilt: the content of the pack, and the
// tar, for which the encoder allocates its tables.
func TestCost(t *testing.T) {
	d := &Directory{frame: 10, Content: 1000, Versions: []Version{{Size: 100, stream: 100}, {Size: 100, stream: 5000, Encoder: fake}}}
	verbatim, rebuilt := d.Cost(0), d.Cost(1)
	if verbatim < 1110 || rebuilt < verbatim+5000 || rebuilt > verbatim+8*5000 {
		t.Errorf("Cost = %d of a version kept verbatim, %d of one with a tar", verbatim, rebuilt)
	}
}

func TestTar(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	r := open(t, b)
	all := directories(t, r)
	tar, err := r.Tar(context.Background(), all[2], 1)
	must(t, err)
	if m, _ := openMember(packs[2][1].data, MaxTar); !bytes.Equal(tar, m.tar) || all[2].Versions[1].TarSize() != int64(len(tar)) {
		t.Errorf("the tar has %d bytes, want %d", len(tar), len(m.tar))
	}
	if _, err := r.Tar(context.Background(), all[1], 0); !isNotThere(err) || all[1].Versions[0].TarSize() != 0 {
		t.Errorf("the tar of a version kept verbatim: %v", err)
	}
}

// An unknown encoder affects neither the tar nor other versions.
func TestUnknownEncoder(t *testing.T) {
	fakeEngine(t)
	p := build(t, releases("serde", 2))
	r := open(t, segment(t, p))
	d := directories(t, r)[0]
	d.Versions[1].Encoder = 77
	engine.known = func(e deflate.Encoder) bool { return e == fake }
	var errs [2]error
	for _, depth := range []Depth{Frames, Tars, Crates} {
		must(t, r.Check(context.Background(), d, depth, func(n int, err error) { errs[n] = err }))
		if errs[0] != nil || (errs[1] != nil) != (depth == Crates) {
			t.Errorf("depth %d: %v", depth, errs)
		}
	}
	if !errors.Is(errs[1], ErrEncoder) || !strings.Contains(errs[1].Error(), "serde 1.1.0") || IsDamage(errs[1]) {
		t.Error(errs[1])
	}
	_, err := r.Tar(context.Background(), d, 1)
	must(t, err)
}

// A segment of a later version is not reported as damaged; the error says what to do.
func TestNewerFormat(t *testing.T) {
	fakeEngine(t)
	b, _ := small(t)
	d := directories(t, open(t, b))[0]
	head := b[:d.Size-d.frame]
	head[frameHead+len(signature)] = formatVersion + 1
	sum := sha256.Sum256(head[:len(head)-sha256.Size])
	copy(head[len(head)-sha256.Size:], sum[:])
	_, err := open(t, b).Directory(d.Placement)
	if err == nil || !strings.Contains(err.Error(), "version 2 of the format, this program knows version 1: use a newer one") {
		t.Error(err)
	}
}

// forge returns a segment of one pack in which everything is consistent except for what
// change does to it.
func forge(t testing.TB, change func(d *Directory, content []byte) []byte) []byte {
	t.Helper()
	p := build(t, releasesOf("a", 2, 40))
	content, err := decodeFrame(nil, p.encoded[p.Size()-p.frame:], p.Content)
	must(t, err)
	content = change(&p.Directory, content)
	if p.Content <= MaxGiant {
		p.Content = int64(len(content))
	}
	frame, err := encodeFrame(content, zstd.SpeedFastest)
	must(t, err)
	p.frame, p.frameSum = int64(len(frame)), sha256.Sum256(frame)
	p.encoded = append(appendDirectory(nil, &p.Directory), frame...)
	return segment(t, p)
}

// No forged segment yields a crate, and each forgery has its specific error.
func TestLies(t *testing.T) {
	fakeEngine(t)
	// The first bytes of the content: number of items, their lengths, recipes.
	recipeOf := func(r ...byte) func(*Directory, []byte) []byte {
		return func(d *Directory, _ []byte) []byte {
			d.Versions = d.Versions[:1]
			d.Versions[0].recipe = int64(len(r))
			return append(append([]byte{1, 2}, r...), "hi"...)
		}
	}
	// contentOf returns content without recipes.
	contentOf := func(b ...byte) func(*Directory, []byte) []byte {
		return func(d *Directory, _ []byte) []byte {
			for n := range d.Versions {
				d.Versions[n].recipe = 0
			}
			return b
		}
	}
	field := func(change func(d *Directory)) func(*Directory, []byte) []byte {
		return func(d *Directory, b []byte) []byte { change(d); return b }
	}
	for name, tt := range map[string]struct {
		change func(*Directory, []byte) []byte
		want   string
	}{
		"no versions":             {field(func(d *Directory) { d.Versions = nil }), "0 versions"},
		"no name":                 {field(func(d *Directory) { d.Name = "" }), "crate name"},
		"path in the name":        {field(func(d *Directory) { d.Name = "../a" }), "crate name"},
		"no version":              {field(func(d *Directory) { d.Versions[0].Version = "1" }), "not a semantic version"},
		"crate too large":         {field(func(d *Directory) { d.Versions[0].Size = MaxCrate + 1 }), "bytes of"},
		"tar too large":           {field(func(d *Directory) { d.Versions[0].stream = MaxTar + 1 }), "bytes of"},
		"recipe too long":         {field(func(d *Directory) { d.Versions[0].recipe = 1 << 30 }), "bytes of"},
		"verbatim with a header":  {field(func(d *Directory) { d.Versions[0].Encoder, d.Versions[0].Reason = 0, 1 }), "encoder 0"},
		"verbatim without reason": {field(func(d *Directory) { d.Versions[0].Encoder, d.Versions[0].header = 0, nil }), "encoder 0"},
		"encoder with a reason":   {field(func(d *Directory) { d.Versions[0].Reason = 1 }), "with reason 1"},
		"content too large":       {field(func(d *Directory) { d.Content = MaxGiant + 1 }), "bytes of content"},
		"other tar":               {field(func(d *Directory) { d.Versions[0].streamSum[0] ^= 1 }), "sha256 of its tar"},
		"other crate":             {field(func(d *Directory) { d.Versions[0].Checksum[0] ^= 1 }), "sha256 of what was rebuilt"},
		"shorter crate":           {field(func(d *Directory) { d.Versions[0].Size-- }), "a different length"},
		"longer crate":            {field(func(d *Directory) { d.Versions[0].Size++ }), "a different length"},
		"crate of no length":      {field(func(d *Directory) { d.Versions[0].Size = 0 }), "a different length"},
		"longer tar":              {field(func(d *Directory) { d.Versions[0].stream++ }), "it makes"},
		"shorter tar":             {field(func(d *Directory) { d.Versions[0].stream-- }), "recipe is wrong"},
		"other header":            {field(func(d *Directory) { d.Versions[0].header[9] = 3 }), "sha256 of what was rebuilt"},
		"empty content":           {contentOf(1), "content of the pack"},
		"too many items":          {contentOf(0xff, 0xff, 0xff, 0x7f), "content of the pack"},
		"items beyond the end":    {func(_ *Directory, b []byte) []byte { return b[:len(b)-1] }, "content of the pack"},
		"bytes behind the items":  {func(_ *Directory, b []byte) []byte { return append(b, 0) }, "content of the pack"},
		"unknown operation":       {recipeOf(3, 0), "recipe is wrong"},
		"literal beyond the end":  {recipeOf(0, 5, 1), "recipe is wrong"},
		"no such item":            {recipeOf(1, 1), "recipe is wrong"},
		"endless number":          {recipeOf(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "recipe is wrong"},
		"cut in an operation":     {recipeOf(1), "recipe is wrong"},
		"no template":             {recipeOf(2, 0, 0), "no template"},
	} {
		t.Run(name, func(t *testing.T) {
			b := forge(t, tt.change)
			r := &Reader{"x", bytes.NewReader(b), int64(len(b))}
			var said []string
			d, err := r.directory(0)
			if err == nil {
				for _, depth := range []Depth{Tars, Crates} {
					err = r.Check(context.Background(), d, depth, func(_ int, err error) {
						if err != nil {
							said = append(said, err.Error())
						}
					})
				}
			}
			if err != nil {
				said = append(said, err.Error())
			}
			if !strings.Contains(strings.Join(said, "\n"), tt.want) {
				t.Errorf("%q, want %q", said, tt.want)
			}
		})
	}
}

// A frame that requests much memory, or is not of the format, is not decoded.
func TestDataFrameIsBounded(t *testing.T) {
	content := make([]byte, 4000)
	frame := func(o ...zstd.EOption) []byte {
		z, err := zstd.NewWriter(nil, o...)
		must(t, err)
		return z.EncodeAll(content, nil)
	}
	good := frame(zstd.WithEncoderCRC(true))
	wide := frame(zstd.WithEncoderCRC(true), zstd.WithSingleSegment(false))
	wide[5] = 0x98 // 512 MiB
	var stream bytes.Buffer
	z, err := zstd.NewWriter(&stream)
	must(t, err)
	_, err = z.Write(content)
	must(t, err)
	must(t, z.Flush())
	must(t, z.Close())
	for name, tt := range map[string]struct {
		frame []byte
		n     int64
		good  bool
	}{
		"good":              {good, 4000, true},
		"other size":        {good, 4001, false},
		"no checksum":       {frame(zstd.WithEncoderCRC(false)), 4000, false},
		"no size":           {stream.Bytes(), 4000, false},
		"wide window":       {wide, 4000, false},
		"two frames":        {append(bytes.Clone(good), good...), 4000, false},
		"twice the content": {append(bytes.Clone(good), good...), 8000, false},
		"skippable":         {[]byte{0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 1}, 0, false},
		"cut":               {good[:len(good)-1], 4000, false},
		"nothing":           {nil, 0, false},
	} {
		if got, err := decodeFrame(nil, tt.frame, tt.n); (err == nil) != tt.good {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	fakeEngine(t)
	b, _ := small(t)
	for name, tt := range map[string]struct {
		b    []byte
		good bool
	}{
		"whole":       {b, true},
		"unfinished":  {b[:len(b)-1], true},
		"first gone":  {b[10:], true},
		"empty":       {nil, false},
		"a crate":     {release("serde", 1).data, false},
		"noise":       {noise(5000), false},
		"other frame": {[]byte("\x28\xb5\x2f\xfd\x00\x00\x00"), false},
	} {
		if _, err := Open("x", bytes.NewReader(tt.b), int64(len(tt.b))); (err == nil) != tt.good || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
