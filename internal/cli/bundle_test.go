package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
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
		lines, err = lists.AppendManifestLine(lines, lists.ManifestEntry{Bundle: bundle.Name{Number: number},
			Member: bundle.Member{ID: id, Size: frame.Size, Checksum: frame.Checksum, Placement: at}})
		ts.Check(err)
	}
	sum, err := out.Finish()
	ts.Check(err)
	ts.Check(out.Publish())
	ts.Check(durable.WriteFile(folder, lists.ManifestName(bundle.Name{Number: number}, sum.Min, sum.Max), lines))
}

// writeLegacy writes a bundle in the format of v1.1.0, with the files that belong to it.
func (w *scriptWorld) writeLegacy(ts *testscript.TestScript, dir string, number int) {
	var items []bundletest.Item
	for _, id := range w.reg.IDs() {
		data, err := w.reg.CrateBytes(id)
		ts.Check(err)
		items = append(items, bundletest.Item{ID: id, Data: data})
	}
	name, manifest := bundle.FileName(number), lists.ManifestName(bundle.Name{Number: number}, "a", "z")
	ts.Check(os.WriteFile(filepath.Join(dir, name), bundletest.Legacy(ts, items), 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, manifest), bundletest.Manifest(name, items), 0o644))
	catalog, err := os.OpenFile(filepath.Join(dir, lists.CatalogName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = catalog.Write(bundletest.Catalog(name, manifest, items))
	ts.Check(errors.Join(err, catalog.Close()))
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
