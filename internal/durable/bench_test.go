package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"testing"
)

// BenchmarkPublish measures what a loose store does 2.5 million times: create a temporary
// file of 2 KB in a {first}/{second}/ folder, write it, close it and publish it there.
func BenchmarkPublish(b *testing.B) {
	fsys, err := Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer fsys.Close()
	data := bytes.Repeat([]byte("crate"), 2048/5)
	const letters = 16
	dir := func(i int) string {
		return fmt.Sprintf("%c/%c%c", 'a'+i%letters, 'a'+i/letters%letters, 'a'+i/letters/letters%letters)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		to := dir(i)
		temp := TempName(to)
		f, err := fsys.Create(temp)
		if errors.Is(err, fs.ErrNotExist) { // cheaper than MkdirAll every time
			if err := fsys.MkdirAll(to); err != nil {
				b.Fatal(err)
			}
			f, err = fsys.Create(temp)
		}
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		if err := fsys.Publish(temp, path.Join(to, fmt.Sprintf("c-%d.crate", i))); err != nil {
			b.Fatal(err)
		}
	}
}
