//go:build linux

// Benchlocal measures commands that use no network, by turns with the least work that could do
// the same: planning and sidecars with cat of the index, a run that finds nothing new with
// reading the index, verify with hashing the same bytes on all processors, extract with tar,
// and the start of a command with that of git. It needs git, tar and zstd; -clonecratesio
// names the built program.
//
//	go build -o /some/where/ ./cmd/clonecratesio
//	go run ./scripts/benchlocal -clonecratesio /some/where/clonecratesio
//	go run ./scripts/benchlocal -clonecratesio /some/where/clonecratesio -n 100 -index INDEX -rows '^(plan|sidecars|nothing new of)'
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"regexp"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

var (
	program = flag.String("clonecratesio", "clonecratesio", "the `PROGRAM`")
	n       = flag.Int("n", 20_000, "versions of the mirror")
	median  = flag.Int("median", 2048, "`BYTES` of a crate file")
	index   = flag.String("index", "", "plan and make sidecars of this bare `REPOSITORY`, in place of the mirror's index, and find nothing new in mirrors that hold all of it")
	rounds  = flag.Int("rounds", 3, "of each")
	folder  = flag.String("dir", "", "work in this folder (default: a temporary one)")
	only    = flag.String("rows", "", "measure rows whose names match this `EXPRESSION` alone")
	smoke   = flag.Bool("smoke", false, "exit 1 if a ratio of processor times is above its limit")
	trial   = flag.Bool("trial", false, "exit 1 unless each ratio is above its limit: for a program that was made slower")

	makes  = flag.String("make", "", "internal: make the mirrors in this folder")
	holds  = flag.String("hold", "", "internal: make mirrors that hold all of -index in this folder")
	hashes = flag.String("sha256", "", "internal: hash all files in this folder")
	reads  = flag.String("read", "", "internal: read all files in this folder")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	switch {
	case *makes != "":
		return makeMirrors(context.Background(), *makes)
	case *holds != "":
		return makeHeld(context.Background(), *holds)
	case *hashes != "":
		return readAll(*hashes, true)
	case *reads != "":
		return readAll(*reads, false)
	}
	return inFolder(*folder, func(dir string) error {
		b, err := prepare(dir)
		if err != nil {
			return err
		}
		names, err := regexp.Compile(*only)
		if err != nil {
			return err
		}
		rows := slices.DeleteFunc(b.rows(), func(r *turns.Row) bool { return !names.MatchString(r.Name) })
		for _, r := range rows {
			if err := r.Measure(dir, *rounds); err != nil {
				return err
			}
		}
		turns.Table(os.Stdout, rows)
		if *smoke || *trial {
			return turns.Guard(os.Stdout, rows, dir, *rounds, *trial)
		}
		return nil
	})
}

// inFolder calls do with dir, or with a temporary folder if dir is empty.
func inFolder(dir string, do func(dir string) error) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "benchlocal-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	return do(dir)
}
