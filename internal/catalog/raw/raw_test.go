package raw

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	_ "modernc.org/sqlite" // the driver
)

func query(t *testing.T, text string) *Rows {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Query(context.Background(), conn, text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rows.Close(); conn.Close(); db.Close() })
	return rows
}

func TestRows(t *testing.T) {
	r := query(t, "VALUES ('a', 1, x'07'), ('b', 2, x'08')")
	for _, want := range []struct {
		text   string
		number int64
		blob   byte
	}{{"a", 1, 7}, {"b", 2, 8}} {
		if !r.Next() {
			t.Fatal(r.Err())
		}
		if text, number, blob := r.Text("a"), r.Int(), r.Bytes(); text != want.text || number != want.number || len(blob) != 1 || blob[0] != want.blob {
			t.Errorf("%q, %d, %x; want %+v", text, number, blob, want)
		}
	}
	if r.Next() || r.Err() != nil {
		t.Errorf("behind the last row: %v", r.Err())
	}
}

// After a value of a wrong type there is no next row, and Err returns the first error.
func TestKind(t *testing.T) {
	r := query(t, "VALUES (1, 'x'), (2, 3)")
	if !r.Next() || r.Int() != 1 || r.Int() != 0 {
		t.Error("a text was read as a number")
	}
	r.Fail(errors.New("later"))
	kind := new(KindError)
	if r.Next() || !errors.As(r.Err(), &kind) || kind.Column != 1 || kind.Error() != "column 1 has x, want the kind int64" {
		t.Errorf("error %v", r.Err())
	}
}
