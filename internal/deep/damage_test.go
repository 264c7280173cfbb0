package deep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// small returns a segment of three packs, small enough to damage every byte, and what is in
// each pack.
func small(t testing.TB) ([]byte, [][]given) {
	id := crate.ID{Name: "odd", Version: "0.1.0+b"}
	packs := [][]given{
		releasesOf("a", 2, 40),
		{give(id, []byte("no gzip at all"))},
		releasesOf("serde_json", 3, 90),
	}
	var built []*Pack
	for _, all := range packs {
		built = append(built, build(t, all))
	}
	return segment(t, built...), packs
}

// releasesOf returns releases of one small file.
func releasesOf(name string, n, size int) (all []given) {
	for i := range n {
		id := crate.ID{Name: name, Version: fmt.Sprintf("0.%d.0", i)}
		all = append(all, give(id, pressed(id, cargoTar(id, file{"Cargo.toml", "[package]"}, file{"src/lib.rs", prose(uint64(i), size)}))))
	}
	return all
}

func ids(packs ...[]given) (names []string) {
	for _, all := range packs {
		for _, g := range all {
			names = append(names, g.ID.String())
		}
	}
	return names
}

// read rebuilds everything that a segment yields, and fails if anything differs from the
// original.
func read(t testing.TB, b []byte, want [][]given) (names []string, errs []error) {
	t.Helper()
	known := map[crate.Key][]byte{}
	for _, all := range want {
		for _, g := range all {
			known[g.Key] = g.data
		}
	}
	r := &Reader{"deep-0001.zst", bytes.NewReader(b), int64(len(b))}
	for d, err := range r.Directories() {
		if err == nil {
			err = r.RebuildAll(context.Background(), d, func(n int, data []byte, err error) error {
				if was, ok := known[d.Versions[n].Key]; err == nil && (!ok || !bytes.Equal(data, was)) {
					t.Fatalf("%s is not what it was", d.Versions[n].ID)
				}
				if err == nil {
					names = append(names, d.Versions[n].ID.String())
				}
				return err
			})
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return names, errs
}

func placements(t testing.TB, b []byte) (all []Placement) {
	for _, d := range directories(t, open(t, b)) {
		all = append(all, d.Placement)
	}
	return all
}

// A flipped bit costs only its pack, is always reported, and never yields a wrong crate.
func TestFlipOfEveryBit(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	at := placements(t, b)
	first, step := durabletest.Every(29, nil)
	for bit := first; bit < 8*len(b); bit += step {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		flipped(t, bad, packs, at, bit/8, 1)
	}
}

// Two faults at once: without the table, the reader searches for the next pack.
func TestFlipOfEveryByteWithoutSeekTable(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	at := placements(t, b)
	b = b[:at[2].Offset+at[2].Size]
	first, step := durabletest.Every(7, nil)
	for n := first; n < len(b); n += step {
		bad := bytes.Clone(b)
		bad[n] ^= 0xFF
		flipped(t, bad, packs, at, n, 2)
	}
}

// flipped checks what is left of a segment whose byte n is wrong.
func flipped(t *testing.T, bad []byte, packs [][]given, at []Placement, n, wantErrs int) {
	t.Helper()
	hit := slices.IndexFunc(at, func(p Placement) bool { return p.Offset <= int64(n) && int64(n) < p.Offset+p.Size })
	left := slices.Clone(packs)
	if hit >= 0 {
		left = slices.Delete(left, hit, hit+1)
	}
	got, errs := read(t, bad, packs)
	if !slices.Equal(got, ids(left...)) || len(errs) != wantErrs {
		t.Fatalf("byte %d (in pack %d): versions %q, errors %v", n, hit, got, errs)
	}
	if hit < 0 {
		if !errors.Is(errs[0], ErrTable) && !errors.Is(errs[0], ErrUnfinished) {
			t.Errorf("byte %d of the seek table: %v", n, errs)
		}
		return
	}
	var damage *DamageError
	if !errors.As(errs[0], &damage) || damage.Offset != at[hit].Offset || damage.End != at[hit].Offset+at[hit].Size {
		t.Errorf("byte %d: %v, want damage of %+v", n, errs[0], at[hit])
	}
	if damage.Crate != "" && damage.Crate != packs[hit][0].Name {
		t.Errorf("byte %d: damage of %s", n, damage.Crate)
	}
}

// Truncated at any byte, a segment yields the packs before that byte.
func TestTruncatedAtEveryByte(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	at := placements(t, b)
	for cut := range len(b) {
		whole := 0
		for whole < len(at) && at[whole].Offset+at[whole].Size <= int64(cut) {
			whole++
		}
		got, errs := read(t, b[:cut], packs)
		if !slices.Equal(got, ids(packs[:whole]...)) || len(errs) == 0 || len(errs) > 2 {
			t.Fatalf("cut at %d: versions %q, want those of %d packs; errors %v", cut, got, whole, errs)
		}
	}
}

// Bytes in the middle that are missing, or zero, cost only the packs that they belong to.
func TestHolesAndLoss(t *testing.T) {
	fakeEngine(t)
	b, packs := small(t)
	at := placements(t, b)
	hole := bytes.Clone(b)
	clear(hole[at[1].Offset : at[1].Offset+at[1].Size])
	got, errs := read(t, hole, packs)
	if want := ids(packs[0], packs[2]); !slices.Equal(got, want) || len(errs) != 1 {
		t.Errorf("hole: %q, %v", got, errs)
	}
	lost := slices.Delete(bytes.Clone(b), int(at[0].Offset+10), int(at[0].Offset+20))
	if got, errs = read(t, lost, packs); !slices.Equal(got, ids(packs[1:]...)) || len(errs) != 2 {
		t.Errorf("loss: %q, %v", got, errs)
	}
}

// A read error is not reported as damage.
func TestReadErrorIsNoDamage(t *testing.T) {
	fakeEngine(t)
	b, _ := small(t)
	disk := errors.New("disk is away")
	for n := range int64(8) {
		r := &Reader{"x", &failing{b, n, disk}, int64(len(b))}
		var failed error
		for d, err := range r.Directories() {
			if err == nil {
				err = r.Check(context.Background(), d, Tars, func(int, error) {})
			}
			if err != nil {
				failed = err
				break
			}
		}
		if !errors.Is(failed, disk) || IsDamage(failed) {
			t.Errorf("read %d fails: %v", n, failed)
		}
	}
}

// failing answers some reads, then fails.
type failing struct {
	b    []byte
	left int64
	err  error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return bytes.NewReader(f.b).ReadAt(p, off)
}
