//go:build linux

// Benchreplicate compares clonecratesio replicate with curl, on loopback and on the same
// bytes. Serve offers a mirror of one bundle, whose crates cannot be compressed; curl
// downloads the bundle to a file, and replicate makes a verified, durable mirror of it. It
// needs git and curl; -clonecratesio names the built program.
//
//	go build -o /some/where/ ./cmd/clonecratesio
//	go run ./scripts/benchreplicate -clonecratesio /some/where/clonecratesio -dir /dev/shm
//
// The ways run by turns, so that other load on the machine affects all alike; the ratios of
// the medians are the result. "curl, sync" is curl followed by sync of its file, which makes
// it as durable as the mirror; "curl, sync, sha256sum" also reads the file once, the least
// work that verifies it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

var (
	program = flag.String("clonecratesio", "clonecratesio", "the `PROGRAM`")
	size    = flag.Float64("gb", 1, "`GB` of crates")
	median  = flag.Int("median", 128<<10, "`BYTES` of a crate file; their mean is 1.8 times as much")
	rounds  = flag.Int("rounds", 5, "of each")
	parent  = flag.String("dir", "", "work below this folder (default: that of temporary files)")
	keep    = flag.Bool("keep", false, "leave the folder, and serve what is in it the next time")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := filepath.Abs(filepath.Join(*parent, "benchreplicate"))
	if *parent == "" {
		dir = filepath.Join(os.TempDir(), "benchreplicate")
	}
	if err != nil {
		return err
	}
	if !*keep {
		defer os.RemoveAll(dir)
	}
	from := filepath.Join(dir, "from")
	if _, err := os.Stat(filepath.Join(from, "bundles", "bundle-0000.tar.zst")); err != nil {
		if err := mirror(ctx, from); err != nil {
			return err
		}
	}
	url, stop, err := serve(from)
	if err != nil {
		return err
	}
	defer stop()
	return compare(dir, from, url)
}

// mirror makes a mirror with the program.
func mirror(ctx context.Context, dir string) error {
	const mean = 1.83 // of a lognormal distribution with simreg's spread, relative to its median
	reg := simreg.Generate(int(*size*1e9/mean/float64(*median)), *median, 1)
	index := filepath.Join(dir, "crates.io-index")
	if _, err := reg.CommitIndex(ctx, index, "Bench"); err != nil {
		return err
	}
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	return command(*program, "sync", "-mirror", dir, "-skip-index-update", "-crates-base-url", server.BaseURL,
		"-bundle", "-bundle-size-gb", "100", "-listen", "")
}

// serve serves a mirror with the program.
func serve(dir string) (url string, stop func(), err error) {
	cmd := exec.Command(*program, "serve", "-mirror", dir, "-listen", "127.0.0.1:0", "-admin-listen", "", "-log-level", "error")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), `index = "sparse+`); ok {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return strings.TrimSuffix(rest, `/index/"`), stopping(cmd), nil
		}
	}
	return "", nil, fmt.Errorf("%s serve has printed no address", *program)
}

func stopping(cmd *exec.Cmd) func() {
	return func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			log.Print(err)
		}
		if err := cmd.Wait(); err != nil {
			log.Printf("ending serve: %v", err)
		}
	}
}

// compare runs all ways by turns.
func compare(dir, from, url string) error {
	file, to := filepath.Join(dir, "c.bin"), filepath.Join(dir, "to")
	source, bundle := url+"/replicate/bundles/bundle-0000.tar.zst", "bundles/bundle-0000.tar.zst"
	ways := []*turns.Way{
		{Name: "curl", Run: turns.Shell(`curl -sfo "$1" "$2"`, file, source)},
		{Name: "curl, sync", Run: turns.Shell(`curl -sfo "$1" "$2" && sync "$1"`, file, source)},
		{Name: "curl, sync, sha256sum", Run: turns.Shell(`curl -sfo "$1" "$2" && sync "$1" && sha256sum "$1"`, file, source)},
		{Name: "replicate", Run: turns.Command(*program, "replicate", "-from", url+"/replicate/", "-to", to, "-log-level", "error")},
	}
	for _, w := range ways {
		w.Prepare = func() error { return os.RemoveAll(file) }
	}
	ours := ways[len(ways)-1]
	ours.Prepare = func() error {
		if err := errors.Join(os.RemoveAll(file), os.RemoveAll(to)); err != nil {
			return err
		}
		return command("git", "clone", "-q", "--bare", filepath.Join(from, "crates.io-index"), filepath.Join(to, "crates.io-index"))
	}
	info, err := os.Stat(filepath.Join(from, bundle))
	if err != nil {
		return err
	}
	row := &turns.Row{Name: fmt.Sprintf("a bundle of %d MB", info.Size()/1e6), Ways: ways}
	if err := row.Measure(dir, *rounds); err != nil {
		return err
	}
	turns.Table(os.Stdout, []*turns.Row{row})
	return command("cmp", filepath.Join(from, bundle), filepath.Join(to, bundle))
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
