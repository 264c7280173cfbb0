// Package raw reads many rows directly from SQLite's driver. database/sql converts every
// column of every row, which for millions of rows takes as long as the query itself.
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

// Rows is the result of a query. Call Next for each row, and then one method for each column,
// from left to right. After an error, Next returns false and columns are zero.
type Rows struct {
	rows   driver.Rows
	values []driver.Value // columns of the current row
	column int            // next column to read
	err    error
}

// Query runs a query on a connection. Until the first Rows of a connection are closed, all
// queries on it see the same state of the database.
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

// Close closes the rows. It returns no error, because nothing was written.
func (r *Rows) Close() { _ = r.rows.Close() }

// Err returns the error that ended the rows early, or a *KindError for the first column with
// a wrong type.
func (r *Rows) Err() error { return r.err }

// Fail ends the rows with an error that the reader found. It keeps an earlier error.
func (r *Rows) Fail(err error) { r.err = cmp.Or(r.err, err) }

// Next moves to the next row, and reports whether there is one.
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

// Int returns the next column, an integer.
func (r *Rows) Int() int64 { return next[int64](r) }

// Bytes returns the next column, a blob. It is valid until Next is called.
func (r *Rows) Bytes() []byte { return next[[]byte](r) }

// Text returns the next column, a text. If it is equal to before, it returns before, so that
// memory holds a text that many rows repeat only once.
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

// A KindError says that a value does not have the type of its column.
type KindError struct {
	Column int // from 0
	Has    any
	Want   any // a value of the expected type
}

func (e *KindError) Error() string {
	return fmt.Sprintf("column %d has %v, want the kind %T", e.Column, e.Has, e.Want)
}
