package servecli

import "context"

// keep runs f in the background while m is open.
func (m *servedMirror) keep(ctx context.Context, f func(life context.Context)) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(life)
	}()
	m.Add(func() error { end(); <-done; return nil })
}
