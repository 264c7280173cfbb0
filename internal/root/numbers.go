package root

import "context"

// numbersAtOnce is how many numbers a writer takes with one change of the root. If another
// mirror folder writes next, unused ones become gaps.
const numbersAtOnce = 16

// TakeBundle returns the lowest number that is at least least and that no other writer uses
// for a bundle. Errors: those of Commit.
func (s *Session) TakeBundle(ctx context.Context, least int) (int, error) {
	return s.takeNumber(ctx, least, func(w *Writer) *Window { return &w.Bundles })
}

// TakeSegment returns such a number for a segment. Errors: those of Commit.
func (s *Session) TakeSegment(ctx context.Context, least int) (int, error) {
	return s.takeNumber(ctx, least, func(w *Writer) *Window { return &w.Segments })
}

func (s *Session) takeNumber(ctx context.Context, least int, of func(*Writer) *Window) (number int, err error) {
	w := s.Writer()
	if number = max(least, of(&w).First); number < of(&w).Next {
		return number, nil
	}
	err = s.Commit(ctx, func(r *Root) error {
		w := r.Writers[s.cfg.Shard]
		window := of(&w)
		number = max(least, window.First)
		window.Next = max(window.Next, number+numbersAtOnce)
		r.Writers[s.cfg.Shard] = w
		return nil
	})
	return number, err
}
