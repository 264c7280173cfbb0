// Package raw reads millions of rows from SQLite's driver itself: database/sql converts
// each column of each, which takes as long as SQLite does to find them.
package raw

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// Rows is an answer, read row by row, and in each column by column from the left. After an
// error there is no next row, and columns are zero.
type Rows struct {
	rows   driver.Rows
	values []driver.Value // of the row
	column int            // that is read next
	err    error
}

// Query asks on a connection. Rows that were asked for on one connection are of one state
// of the database as long as the first of them is not closed.
func Query(ctx context.Context, conn *sql.Conn, query string) (r *Rows, err error) {
	err = conn.Raw(func(c any) error {
		rows, err := c.(driver.QueryerContext).QueryContext(ctx, query, nil)
		if err == nil {
			r = &Rows{rows: rows, values: make([]driver.Value, len(rows.Columns()))}
		}
		return err
	})
	return r, err
}

// Close ends the answer. Nothing was written: it reports nothing.
func (r *Rows) Close() { _ = r.rows.Close() }

// Err returns what ended the rows before their end, or the first column that was not of
// its kind.
func (r *Rows) Err() error { return r.err }

// Fail ends the rows with an error of the reader, unless there was one before.
func (r *Rows) Fail(err error) { r.err = cmp.Or(r.err, err) }

// Next reports whether there is another row.
func (r *Rows) Next() bool {
	if r.err != nil {
		return false
	}
	r.column = 0
	err := r.rows.Next(r.values)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return err == nil
}

// Int reads a number.
func (r *Rows) Int() int64 { return next[int64](r) }

// Bytes reads a blob. It is valid until the next row.
func (r *Rows) Bytes() []byte { return next[[]byte](r) }

// Text reads a text. It returns before if that is equal, so that texts which rows repeat
// are in memory once.
func (r *Rows) Text(before string) string {
	if s := next[string](r); s != before {
		return s
	}
	return before
}

func next[T any](r *Rows) T {
	value, ok := r.values[r.column].(T)
	if !ok {
		r.Fail(&KindError{r.column, r.values[r.column], value})
	}
	r.column++
	return value
}

// A KindError says that a value is not of the kind that its column has.
type KindError struct {
	Column int // from 0
	Has    any
	Want   any // a value of the kind
}

func (e *KindError) Error() string {
	return fmt.Sprintf("column %d has %v, want the kind %T", e.Column, e.Has, e.Want)
}
