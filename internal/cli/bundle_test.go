package cli

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// bundle writes all crates of the registry into a bundle.
func (w *scriptWorld) bundle(ts *testscript.TestScript, args []string) {
	number, err := strconv.Atoi(args[1])
	ts.Check(err)
	folder, err := durable.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	defer folder.Close()
	if args[0] == "ours" {
		w.writeBundle(ts, folder, number)
	} else {
		w.writeLegacy(ts, ts.MkAbs(args[2]), number)
	}
}

func (w *scriptWorld) writeBundle(ts *testscript.TestScript, folder durable.FS, number int) {
	out, err := bundle.Create(folder, bundle.FileName(number))
	ts.Check(err)
	var lines []byte
	for _, id := range w.reg.IDs() {
		data, err := w.reg.CrateBytes(id)
		ts.Check(err)
		frame, err := bundle.Encode(nil, id, data)
		ts.Check(err)
		at, err := out.Append(frame)
		ts.Check(err)
		lines, err = bundle.AppendManifestLine(lines, bundle.ManifestEntry{Number: number,
			Member: bundle.Member{ID: id, Size: frame.Size, Checksum: frame.Checksum, Placement: at}})
		ts.Check(err)
	}
	sum, err := out.Finish()
	ts.Check(err)
	ts.Check(out.Publish())
	ts.Check(durable.WriteFile(folder, bundle.ManifestName(number, sum.Min, sum.Max), lines))
}

// writeLegacy makes a bundle and a manifest by the calls that v1.1.0 makes.
func (w *scriptWorld) writeLegacy(ts *testscript.TestScript, dir string, number int) {
	name := bundle.FileName(number)
	f, err := os.Create(filepath.Join(dir, name))
	ts.Check(err)
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	ts.Check(err)
	tw := tar.NewWriter(z)
	var lines []byte
	for _, id := range w.reg.IDs() {
		data, err := w.reg.CrateBytes(id)
		ts.Check(err)
		ts.Check(tw.WriteHeader(&tar.Header{Name: id.LoosePath(), Mode: 0o644, Size: int64(len(data)), ModTime: time.Unix(0, 0)}))
		_, err = tw.Write(data)
		ts.Check(err)
		lines = fmt.Appendf(lines, `{"url":"https://static.crates.io/crates/%s","crate":%q,"bundle_path":"out\\bundles\\%s","bundle_member":%q,"size":%d,"sha256":"%x"}`+"\n",
			id.URLPath(), id.Name, name, id.LoosePath(), len(data), sha256.Sum256(data))
	}
	ts.Check(tw.Close())
	ts.Check(z.Close())
	ts.Check(f.Close())
	ts.Check(os.WriteFile(filepath.Join(dir, bundle.ManifestName(number, "a", "z")), lines, 0o644))
}

func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	if offset < 0 {
		offset += len(data)
	}
	data[offset] ^= 1
	ts.Check(os.WriteFile(path, data, 0o644))
}
