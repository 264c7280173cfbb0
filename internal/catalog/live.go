package catalog

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Live answers each query from the current catalog. Errors: those of the Catalog's methods
// of the same names; fs.ErrNotExist while there is no catalog.
type Live struct{ *Follower }

// Versions calls [Catalog.Versions].
func (l Live) Versions(ctx context.Context, name string) ([]Version, error) {
	return ask(ctx, l, func(c *Catalog) ([]Version, error) { return c.Versions(ctx, name) })
}

// BytesOf calls [Catalog.BytesOf].
func (l Live) BytesOf(ctx context.Context, id crate.ID) ([]Version, error) {
	return ask(ctx, l, func(c *Catalog) ([]Version, error) { return c.BytesOf(ctx, id) })
}

// Page calls [Catalog.Page].
func (l Live) Page(ctx context.Context, after crate.ID, limit int) ([]Version, error) {
	return ask(ctx, l, func(c *Catalog) ([]Version, error) { return c.Page(ctx, after, limit) })
}

// Revision calls [Catalog.Revision].
func (l Live) Revision(ctx context.Context) (Revision, error) {
	return ask(ctx, l, func(c *Catalog) (Revision, error) { return c.Revision(ctx) })
}

// Totals calls [Catalog.Totals].
func (l Live) Totals(ctx context.Context) (Totals, error) {
	return ask(ctx, l, func(c *Catalog) (Totals, error) { return c.Totals(ctx) })
}

// Bundles calls [Catalog.Bundles].
func (l Live) Bundles(ctx context.Context) ([]Bundle, error) {
	return ask(ctx, l, func(c *Catalog) ([]Bundle, error) { return c.Bundles(ctx) })
}

// Segments calls [Catalog.Segments].
func (l Live) Segments(ctx context.Context) ([]Bundle, error) {
	return ask(ctx, l, func(c *Catalog) ([]Bundle, error) { return c.Segments(ctx) })
}

// ByChecksum calls [Catalog.ByChecksum].
func (l Live) ByChecksum(ctx context.Context, key crate.Key) (Version, error) {
	return ask(ctx, l, func(c *Catalog) (Version, error) { return c.ByChecksum(ctx, key) })
}

func ask[Answer any](ctx context.Context, l Live, question func(*Catalog) (Answer, error)) (answer Answer, err error) {
	err = l.Read(ctx, func(c *Catalog) (err error) {
		answer, err = question(c)
		return err
	})
	return answer, err
}
