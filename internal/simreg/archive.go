package simreg

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// cargoTime is the modification time of files in cargo's packages.
var cargoTime = time.Unix(1153704088, 0)

// gzipWriters avoids allocating tables for every crate file.
var gzipWriters = sync.Pool{New: func() any {
	zw, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // five times as fast as cargo's level 9
	if err != nil {
		panic("simreg: " + err.Error())
	}
	return zw
}}

// archive builds the crate file of v. The revision and the seed of the registry change only
// its bytes.
func archive(v *Version, revision int, seed uint64) []byte {
	id := v.ID()
	var buf bytes.Buffer
	buf.Grow(v.Size + 1<<10)
	zw := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(zw)
	zw.Reset(&buf)
	zw.Name = id.FileName()
	tw := tar.NewWriter(zw)

	lib := library(v)
	if revision > 0 {
		lib += fmt.Sprintf("// Published again, revision %d.\n", revision)
	}
	add := func(name string, data []byte) {
		err := tw.WriteHeader(&tar.Header{
			Format: tar.FormatGNU, Name: v.Name + "-" + v.Version + "/" + name,
			Mode: 0o644, ModTime: cargoTime, Size: int64(len(data)),
		})
		if err == nil {
			_, err = tw.Write(data)
		}
		if err != nil { // impossible: writes to memory, with a valid name
			panic(fmt.Sprintf("simreg: packing %s of %s: %v", name, id, err))
		}
	}
	add("Cargo.toml", []byte(manifest(v)))
	if v.Links != "" {
		add("build.rs", []byte("fn main() {}\n"))
	}
	if v.Size > 0 {
		add("noise.bin", noise(v, revision, seed))
	}
	add("src/lib.rs", []byte(lib))
	if err := tw.Close(); err != nil {
		panic(fmt.Sprintf("simreg: packing %s: %v", id, err))
	}
	if err := zw.Close(); err != nil {
		panic(fmt.Sprintf("simreg: packing %s: %v", id, err))
	}
	return buf.Bytes()
}

// noise returns v.Size bytes that no compressor can shrink.
func noise(v *Version, revision int, seed uint64) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", v.Name, v.Version)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(revision)))
	h.Write(binary.BigEndian.AppendUint64(nil, seed))
	out := make([]byte, v.Size)
	rand.NewChaCha8([32]byte(h.Sum(nil))).Read(out)
	return out
}
