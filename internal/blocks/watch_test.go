package blocks

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// silent is a place that does not answer.
type silent struct{ asked chan struct{} }

func (silent) String() string { return "silent" }

func (s silent) Load(ctx context.Context) (*List, error) {
	select {
	case s.asked <- struct{}{}:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// A place that does not answer does not delay the blocks of another one.
func TestFollowWhileOneIsSilent(t *testing.T) {
	folder, quiet := Folder(t.TempDir()), silent{make(chan struct{})}
	w, err := NewWatch(t.Context(), func() {}, slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	w.places = append([]place{{Loader: quiet}}, w.places...)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		w.Follow(ctx)
		close(done)
	}()
	<-quiet.asked
	err = folder.Change(t.Context(), func(l *List) (*List, error) { return l.With(Block{Crate: "serde", Reason: "it is bad", By: "a"}) })
	if err != nil {
		t.Fatal(err)
	}
	serde := key("serde", "1.0.0", 1)
	for end := time.Now().Add(10 * time.Second); w.Find(&serde) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not blocked")
		}
	}
	stop()
	<-done
}
