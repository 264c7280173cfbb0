package bundle

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestAppendsMayBeConcurrent(t *testing.T) {
	m := durabletest.NewMem()
	w, err := Create(m, "b")
	must(t, err)
	var all []item
	for i := range 40 {
		all = append(all, item{ID: crate.ID{Name: "some", Version: fmt.Sprintf("1.0.%d", i)}, Data: noise(i*i*37, uint64(i))})
	}
	all = append(all, withLarge()[2])
	var wg sync.WaitGroup
	for _, it := range all {
		wg.Go(func() {
			if err := errors.Join(put(w, it), w.Sync()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := durable.ReadFile(m, "b", 1<<30)
	must(t, err)
	got, errs := read(t, b, all)
	want := names(all)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || errs != nil {
		t.Errorf("errors %v, members (-want +got):\n%s", errs, diff)
	}
}

// Members can be appended during a slow sync, which covers those appended before it.
func TestAppendBesideSync(t *testing.T) {
	m := durabletest.NewMem()
	began, goOn := make(chan bool), make(chan bool)
	fail := false
	slow := durabletest.Hook(m, func(op durabletest.Op) (f durabletest.Fault) {
		if op.Kind == durabletest.OpSync {
			began <- true
			<-goOn
			if fail {
				f.Err = errInjected
			}
		}
		return f
	})
	w, err := Create(slow, "b")
	must(t, err)
	add := func(n int) error {
		f, err := Encode(nil, items()[n].ID, items()[n].Data)
		must(t, err)
		_, err = w.Append(f)
		return err
	}
	synced := make(chan error)
	sync := func() { synced <- w.Sync() }
	must(t, add(0))
	go sync()
	<-began
	must(t, add(1)) // hangs if Sync blocks appending
	goOn <- true
	must(t, <-synced)
	// A sync that fails ends the Writer, also for members appended meanwhile.
	fail = true
	go sync()
	<-began
	must(t, add(2))
	goOn <- true
	if err := <-synced; !errors.Is(err, errInjected) {
		t.Errorf("Sync: %v", err)
	}
	if err := add(3); !errors.Is(err, ErrBroken) {
		t.Errorf("Append after a failed Sync: %v", err)
	}
	must(t, w.Close())
}
