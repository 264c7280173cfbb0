package partfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var errInjected = errors.New("injected")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// script appends, takes back, and publishes; synced is told after each Sync.
func script(fsys durable.FS, synced func(string)) error {
	f, err := Create(fsys, "thing", "t")
	if err != nil {
		return err
	}
	write := func(text string) {
		if err == nil {
			_, err = f.Write([]byte(text))
		}
	}
	sync := func(all string) {
		if err == nil {
			if err = f.Sync(); err == nil {
				synced(all)
			}
		}
	}
	write("one ")
	sync("one ")
	mark := f.Mark()
	write("wrong")
	if err == nil {
		err = f.Back(mark)
	}
	write("two")
	sync("one two")
	if err == nil {
		var sum crate.Checksum
		if sum, err = f.Finish(); err == nil && sum != crate.Checksum(sha256.Sum256([]byte("one two"))) {
			err = errors.New("the checksum is of other bytes")
		}
	}
	if err == nil {
		err = f.Publish()
	}
	if err != nil {
		if _, again := f.Write([]byte("more")); again == nil {
			return errors.New("it takes more after an error")
		}
	}
	return errors.Join(err, f.Close())
}

// TestPowerCutAtAnyOperation: what was synced is there after a cut of the power at any
// operation, under one of its names; what is resumed has it, and is published with its sum.
func TestPowerCutAtAnyOperation(t *testing.T) {
	for n := 1; ; n++ {
		m := durabletest.NewMem()
		h := durabletest.FailAt(m, n, errInjected, true, false)
		held := ""
		err := script(h, func(all string) { held = all })
		if h.Ops() < n {
			must(t, err)
			for seed := range uint64(8) {
				if _, err := m.Crash(rand.New(rand.NewPCG(seed, 0))).Stat("t"); err != nil {
					t.Errorf("what was published: %v", err)
				}
			}
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("operation %d fails: %v", n, err)
		}
		for seed := range uint64(8) {
			disk := m.Crash(rand.New(rand.NewPCG(seed, uint64(n))))
			checkLeft(t, n, disk, held)
		}
	}
}

func checkLeft(t *testing.T, n int, disk durable.FS, held string) {
	t.Helper()
	if b, err := durable.ReadFile(disk, "t", 100); err == nil {
		if string(b) != "one two" {
			t.Fatalf("operation %d fails: %q is published", n, b)
		}
		return
	}
	f, err := Resume(disk, "thing", "t", func(tail *Tail) error { return tail.Keep(int64(len(held))) })
	if errors.Is(err, fs.ErrNotExist) && held == "" {
		return
	}
	must(t, err)
	sum, err := f.Finish()
	must(t, err)
	if want := crate.Checksum(sha256.Sum256([]byte(held))); sum != want || f.Size() != int64(len(held)) {
		t.Fatalf("operation %d fails: %d bytes with %s are resumed, want %q", n, f.Size(), sum, held)
	}
	must(t, f.Publish())
	b, err := durable.ReadFile(disk, "t", 100)
	must(t, err)
	if string(b) != held {
		t.Fatalf("operation %d fails: %q is published, want %q", n, b, held)
	}
}

// TestResumeRefused: what check refuses stays as it is.
func TestResumeRefused(t *testing.T) {
	m := durabletest.NewMem()
	must(t, durable.WriteFile(m, "t"+Ext, []byte("good, bad")))
	_, err := Resume(m, "thing", "t", func(tail *Tail) error {
		got := make([]byte, tail.Size())
		if _, err := tail.ReadAt(got, 0); err != nil || !bytes.Equal(got, []byte("good, bad")) {
			t.Errorf("read %q: %v", got, err)
		}
		must(t, tail.Keep(4))
		return errInjected
	})
	if !errors.Is(err, errInjected) {
		t.Errorf("error %v", err)
	}
	if b, err := durable.ReadFile(m, "t"+Ext, 100); err != nil || string(b) != "good, bad" {
		t.Errorf("%q is left: %v", b, err)
	}
}

// TestSizes: files of the kind alone, by the names that they will have.
func TestSizes(t *testing.T) {
	m := durabletest.NewMem()
	for name, text := range map[string]string{"a": "12", "b.part": "123", "a.part": "1", "c": "1"} {
		must(t, durable.WriteFile(m, name, []byte(text)))
	}
	got, err := Sizes(m, func(name string) bool { return name != "c" })
	must(t, err)
	if len(got) != 2 || got["a"] != 2 || got["b"] != 3 {
		t.Errorf("sizes %v", got)
	}
}
