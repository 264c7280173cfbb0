package deep

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A file that cargo did not make is kept verbatim, and the reason is recorded.
func TestVerbatim(t *testing.T) {
	fakeEngine(t)
	id := crate.ID{Name: "odd", Version: "1.0.0"}
	tar := cargoTar(id, file{"src/lib.rs", prose(1, 3000)})
	good := pressed(id, tar)
	n := len("\x1f\x8b\x08\x08\x00\x00\x00\x00\x02\xff" + id.FileName() + "\x00")
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	stored := bytes.Clone(good[:n])
	stored = append(stored, 1, byte(len(tar)), byte(len(tar)>>8), ^byte(len(tar)), ^byte(len(tar)>>8))
	stored = appendTrailer(append(stored, tar...), tar)
	named := func(size int) []byte {
		return append(append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x02\xff"), strings.Repeat("n", size)+"\x00"...), good[n:]...)
	}
	full := append([]byte("\x1f\x8b\x08\x1f\x00\x00\x00\x00\x02\x03\x02\x00xyname\x00comment\x00\x12\x34"), good[n:]...)
	for name, tt := range map[string]struct {
		data   []byte
		reason Reason
	}{
		"cargo's":            {good, NoReason},
		"every field":        {full, NoReason},
		"longest header":     {named(maxHeader - gzipFixed - 1), NoReason},
		"empty tar":          {pressed(id, nil), NoReason},
		"no tar":             {pressed(id, noise(5000)), NoReason},
		"another program":    {stored, UnknownEncoder},
		"empty":              {nil, NotGzip},
		"text":               {[]byte("not a crate"), NotGzip},
		"gzip magic alone":   {gzipStart, NotGzip},
		"longer header":      {named(maxHeader - gzipFixed), NotGzip},
		"endless name":       {append(bytes.Clone(good[:gzipFixed]), noise(300)...)[:n-1], NotGzip},
		"reserved flag":      {append([]byte("\x1f\x8b\x08\x88"), good[4:]...), NotGzip},
		"two members":        {append(bytes.Clone(good), good...), SeveralMembers},
		"bytes behind":       {append(bytes.Clone(good), 0), TrailingBytes},
		"torn":               {good[:len(good)-20], DamagedStream},
		"torn trailer":       {good[:len(good)-1], DamagedStream},
		"wrong CRC":          {flip(len(good) - 8), DamagedStream},
		"wrong size":         {flip(len(good) - 1), DamagedStream},
		"header without end": {good[:n], DamagedStream},
	} {
		t.Run(name, func(t *testing.T) {
			g := give(id, tt.data)
			p := build(t, []given{g})
			if got := p.Versions[0].Reason; got != tt.reason {
				t.Errorf("reason %q, want %q", got, tt.reason)
			}
			got, errs := read(t, segment(t, p), [][]given{{g}})
			if len(got) != 1 || len(errs) != 0 {
				t.Errorf("%q, %v", got, errs)
			}
		})
	}
	p, err := Build(context.Background(), []Source{give(id, good).source()}, Options{MaxTar: 100})
	must(t, err)
	if got := p.Versions[0].Reason; got != TarTooLong {
		t.Errorf("reason %q, want %q", got, TarTooLong)
	}
}

// Every tar can be restored, whatever it contains.
func TestSplitAndJoin(t *testing.T) {
	id := crate.ID{Name: "odd", Version: "1.0.0"}
	plain := cargoTar(id, file{"a", "x"}, file{"b/c", prose(1, 1500)}, file{"d", ""})
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(plain)
		change(b)
		return b
	}
	for name, tt := range map[string]struct {
		tar     []byte
		members int // for which the recipe has only numbers
	}{
		"plain":            {plain, 3},
		"cut in a header":  {plain[:100], 0},
		"cut in a file":    {plain[:blockSize+1], 0},
		"cut in padding":   {plain[:blockSize+20], 0},
		"no end":           {plain[:len(plain)-2*blockSize], 3},
		"other folder":     {cargoTar(crate.ID{Name: "x", Version: "1.0.0"}, file{"a", "b"}), 0},
		"other checksum":   {edit(func(b []byte) { b[sumAt] = ' ' }), 2},
		"dirty padding":    {edit(func(b []byte) { b[blockSize+1] = 1 }), 0},
		"binary size":      {edit(func(b []byte) { b[sizeAt] = 0x80 }), 0},
		"size beyond":      {edit(func(b []byte) { copy(b[sizeAt:], "77777777777") }), 0},
		"long name":        {cargoTar(id, file{strings.Repeat("p", nameSize-len("odd-1.0.0/")), "x"}), 1},
		"noise":            {noise(3000), 0},
		"bytes at the end": {append(bytes.Clone(plain), noise(9000)...), 3},
	} {
		steps := split(tt.tar, prefixOf(id))
		members := 0
		for _, s := range steps {
			if s.op == opMember {
				members++
			}
		}
		if members != tt.members {
			t.Errorf("%s: %d members, want %d", name, members, tt.members)
		}
		if got := rejoin(t, id, tt.tar, steps); !bytes.Equal(got, tt.tar) {
			t.Errorf("%s: %d bytes come back, want %d", name, len(got), len(tt.tar))
		}
	}
}

// rejoin writes steps as a recipe and follows it.
func rejoin(t testing.TB, id crate.ID, tar []byte, steps []step) []byte {
	t.Helper()
	b := newBuilder(Options{})
	b.take(Version{Key: crate.Key{ID: id}, stream: int64(len(tar))}, b.fresh(steps))
	b.sort()
	d := &Directory{Versions: b.versions}
	c, err := parseContent(b.content(), d.Versions)
	must(t, err)
	got, err := c.stream(nil, d, 0)
	must(t, err)
	return got
}

func TestBuildRefuses(t *testing.T) {
	fakeEngine(t)
	all := releasesOf("a", 3, 40)
	wrong := all[1]
	wrong.Checksum[0] ^= 1
	away := errors.New("disk is away")
	closed := all[1].source()
	closed.Open = func() (io.ReadCloser, error) { return nil, away }
	endless := all[1].source()
	endless.Open = func() (io.ReadCloser, error) { return io.NopCloser(&zeroReader{}), nil }
	for name, tt := range map[string]struct {
		second Source
		is     func(error) bool
	}{
		"other bytes": {wrong.source(), func(err error) bool { return errors.As(err, new(*crate.ChecksumError)) }},
		"not there":   {closed, func(err error) bool { return errors.Is(err, away) }},
		"endless":     {endless, func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		"other crate": {releasesOf("b", 1, 1)[0].source(), func(err error) bool { return errors.Is(err, errNames) }},
	} {
		_, err := Build(context.Background(), []Source{all[0].source(), tt.second, all[2].source()}, Options{})
		var source *SourceError
		if !errors.As(err, &source) || source.Number != 1 || source.ID != tt.second.ID || !tt.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Build(context.Background(), nil, Options{}); err == nil {
		t.Error("a pack of nothing was built")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Build(ctx, sources(all), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// zeroReader is endless.
type zeroReader struct{}

func (*zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A pack ends at a limit, and the next one continues from there.
func TestPackIsBounded(t *testing.T) {
	fakeEngine(t)
	all := releasesOf("a", MaxVersions+3, 30)
	p, err := Build(context.Background(), sources(all), Options{})
	must(t, err)
	if p.Took != MaxVersions {
		t.Errorf("pack took %d versions", p.Took)
	}
}

// The content of a pack is bounded, with a higher limit if a single version is large.
func TestHasRoom(t *testing.T) {
	one := []Version{{}}
	for name, tt := range map[string]struct {
		b    builder
		size int64
		tar  int64
		want bool
	}{
		"up to the limit":         {builder{versions: one, size: MaxContent - 105}, 100, 1000, true},
		"over it":                 {builder{versions: one, size: MaxContent - 105}, 101, 1000, false},
		"a giant comes":           {builder{versions: one, size: MaxContent - 105}, 101, giantAlone + 1, true},
		"a giant is there":        {builder{versions: one, size: MaxContent, giant: true}, 101, 1000, true},
		"first of a pack":         {builder{}, MaxContent + 1, 1000, true},
		"over that of giants":     {builder{versions: one, size: MaxGiant - 105, giant: true}, 101, 1000, false},
		"too large on its own":    {builder{}, MaxGiant, giantAlone + 1, false},
		"as many items as it may": {builder{items: make([]*item, maxItems)}, 1, 1, true},
	} {
		if got := tt.b.hasRoom(&arrival{size: tt.size}, tt.tar); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	full := builder{items: make([]*item, maxItems)}
	if full.hasRoom(&arrival{items: make([]*item, 1)}, 1) {
		t.Error("there are more items than a reader takes")
	}
}

// Sources that cannot be read are left out, or opened again; all others are read once.
func TestBuildLeavesOut(t *testing.T) {
	fakeEngine(t)
	var sources []Source
	opened := map[int]int{}
	for n := range 6 {
		id := crate.ID{Name: "odd", Version: string(rune('1'+n)) + ".0.0"}
		g := give(id, pressed(id, cargoTar(id, file{"src/lib.rs", prose(uint64(n), 3000)})))
		data := g.data
		sources = append(sources, Source{Key: g.Key, Open: func() (io.ReadCloser, error) {
			opened[n]++
			switch {
			case n == 1, n == 5:
				return nil, errors.New("no such file")
			case n == 3 && opened[n] == 1:
				return io.NopCloser(strings.NewReader("other bytes")), nil
			}
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
	}
	var failed []int
	o := Options{Failed: func(n int, err error) bool {
		failed = append(failed, n)
		return n == 3
	}}
	p, err := Build(t.Context(), sources, o)
	if err != nil {
		t.Fatal(err)
	}
	var took []string
	for _, v := range p.Versions {
		took = append(took, v.ID.Version)
	}
	if diff := cmp.Diff([]string{"1.0.0", "3.0.0", "4.0.0", "5.0.0"}, took); diff != "" || p.Took != 6 {
		t.Errorf("took %d: %s", p.Took, diff)
	}
	if diff := cmp.Diff([]int{1, 3, 5}, failed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int]int{0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 1}, opened); diff != "" {
		t.Error(diff)
	}
	if _, err := Build(t.Context(), sources[1:2], o); !errors.Is(err, ErrNothing) {
		t.Errorf("all are left out: %v", err)
	}
}
