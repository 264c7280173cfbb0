package packed

import (
	"context"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Row is a catalog's row of a version: its bytes, and where they are.
type Row struct {
	crate.Key
	At store.DeepPlace
}

// CheckPack verifies rows that are in one pack, which it decodes once. It returns the error
// of each row; nil means that it is what the row says, as far as the depth proves that. It
// waits for its turn and for memory as rebuilds do, but is never refused: its callers are
// few, and each has one pack.
//
// Errors of a row: those of Open except *store.BusyError.
func (s *Store) CheckPack(ctx context.Context, rows []Row, depth deep.Depth) []error {
	errs := make([]error, len(rows))
	_, err := recovered(func() (none struct{}, err error) { return none, s.checkPack(ctx, rows, depth, errs) })
	if errors.As(err, new(panicError)) && len(rows) > 1 { // checking them one by one shows which it was
		for i := range rows {
			errs[i] = s.CheckPack(ctx, rows[i:i+1], depth)[0]
		}
		return errs
	}
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

// checkPack sets errors of single rows in errs, and returns an error that affects all.
func (s *Store) checkPack(ctx context.Context, rows []Row, depth deep.Depth, errs []error) error {
	at := rows[0].At
	seg, err := s.segments.take(at)
	if err != nil {
		return err
	}
	defer s.segments.free(seg)
	place := deep.Placement{Offset: at.Pack, Size: at.PackSize}
	pack, err := seg.pack(ctx, place)
	if err != nil {
		return err
	}
	d, err := pack.Directory(place)
	if err != nil {
		return s.failed(err)
	}
	numbers, cost := numbersOf(d, rows, errs)
	if len(numbers) == 0 {
		return nil
	}
	release, err := s.turns.take(ctx, &ticket{clients: []string{store.Client(ctx)}, patient: true}, cost)
	if err != nil {
		return err
	}
	defer release()
	verdicts := make([]error, len(d.Versions))
	err = pack.CheckVersions(ctx, d, numbers, depth, func(n int, err error) { verdicts[n] = s.failed(err) })
	for i, row := range rows {
		if errs[i] == nil {
			errs[i] = verdicts[row.At.Number]
		}
	}
	return s.failed(err)
}

// numbersOf returns the numbers of rows in their pack, and the memory for the most
// expensive one. It sets the errors of missing rows in errs.
func numbersOf(d *deep.Directory, rows []Row, errs []error) (numbers []int, cost int64) {
	first := rows[0].At
	for i, row := range rows {
		switch at := row.At; {
		case at.Segment != first.Segment || at.Pack != first.Pack || at.PackSize != first.PackSize:
			errs[i] = fmt.Errorf("looking for %s in the pack at offset %d: %w", row.ID, first.Pack, deep.ErrNotThere)
		default:
			errs[i] = there(d, row.Key, at)
		}
		if errs[i] == nil {
			numbers = append(numbers, row.At.Number)
			cost = max(cost, d.Cost(row.At.Number))
		}
	}
	return numbers, cost
}

// there reports whether the pack has these bytes under their number.
func there(d *deep.Directory, key crate.Key, at store.DeepPlace) error {
	if at.Number < 0 || at.Number >= len(d.Versions) || d.Versions[at.Number].Key != key {
		return fmt.Errorf("pack at offset %d, number %d: %w", at.Pack, at.Number, deep.ErrNotThere)
	}
	return nil
}
