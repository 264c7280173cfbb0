//go:build linux

// Benchreplicate compares clonecratesio replicate with curl, on loopback, on the same
// bytes: serve shows a mirror of one bundle of crates that no compressor shrinks, curl
// takes the bundle into a file, and replicate makes a verified, durable mirror of it.
// It needs git and curl; -clonecratesio is the program, built.
//
//	go build -o /some/where/ ./cmd/clonecratesio
//	go run ./scripts/benchreplicate -clonecratesio /some/where/clonecratesio -dir /dev/shm
//
// Rounds go by turns so that what else the machine does hits all alike; the ratios of the
// medians are what counts. "curl, sync" is curl and then sync of its file, which is what
// makes it as durable as the mirror; "curl, sync, sha256sum" also reads it once, which is the
// least that makes it trustworthy.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
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
	const mean = 1.83 // of a lognormal distribution of simreg's spread, by its median
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
	return command(nil, *program, "sync", "-mirror", dir, "-skip-index-update", "-crates-base-url", server.BaseURL,
		"-bundle", "-bundle-size-gb", "100", "-listen", "")()
}

// serve starts the program on a mirror.
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
		fmt.Printf("serve took %v of CPU in all\n", cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
}

// contest is one way of getting the bundle.
type contest struct {
	name    string
	prepare func() error // not timed
	run     func() error

	wall []time.Duration // by round
	cpu  time.Duration   // of the last round, of all that was run
}

// compare runs all ways by turns.
func compare(dir, from, url string) error {
	info, err := os.Stat(filepath.Join(from, "bundles", "bundle-0000.tar.zst"))
	if err != nil {
		return err
	}
	file, to := filepath.Join(dir, "c.bin"), filepath.Join(dir, "to")
	source := url + "/replicate/bundles/bundle-0000.tar.zst"
	remove := func() error { return os.RemoveAll(file) }
	plain, synced, hashed, ours := &contest{name: "curl"}, &contest{name: "curl, sync"}, &contest{name: "curl, sync, sha256sum"}, &contest{name: "replicate"}
	for n, c := range []*contest{plain, synced, hashed} {
		steps := []func() error{command(c, "curl", "-sfo", file, source), command(c, "sync", file), command(c, "sha256sum", file)}
		c.prepare, c.run = remove, inOrder(steps[:n+1]...)
	}
	ours.prepare = func() error {
		if err := errors.Join(remove(), os.RemoveAll(to)); err != nil {
			return err
		}
		return command(nil, "git", "clone", "-q", "--bare", filepath.Join(from, "crates.io-index"), filepath.Join(to, "crates.io-index"))()
	}
	ours.run = command(ours, *program, "replicate", "-from", url+"/replicate/", "-to", to, "-log-level", "error")
	all := []*contest{plain, synced, hashed, ours}
	for round := range *rounds + 1 { // the first warms up
		for _, c := range all {
			if err := c.once(round > 0); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		if err := command(nil, "cmp", filepath.Join(from, "bundles", "bundle-0000.tar.zst"), filepath.Join(to, "bundles", "bundle-0000.tar.zst"))(); err != nil {
			return err
		}
	}
	report(all, info.Size())
	return nil
}

func inOrder(steps ...func() error) func() error {
	return func() error {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
}

func (c *contest) once(counts bool) error {
	if err := c.prepare(); err != nil {
		return err
	}
	syscall.Sync() // what others have written is not this one's to wait for
	c.cpu = 0
	began := time.Now()
	err := c.run()
	if counts {
		c.wall = append(c.wall, time.Since(began))
	}
	return err
}

// command is a program that is run; its processor time is added to that of a contest.
func command(c *contest, name string, args ...string) func() error {
	return func() error {
		cmd := exec.Command(name, args...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		if c != nil {
			c.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		return nil
	}
}

func report(all []*contest, size int64) {
	rate := map[string]float64{}
	for _, c := range all {
		slices.Sort(c.wall)
		middle := c.wall[len(c.wall)/2]
		rate[c.name] = float64(size) / middle.Seconds() / 1e6
		fmt.Printf("%-22s %5.0f MB/s: %.2f s (%.2f to %.2f), %.2f s of CPU\n", c.name, rate[c.name],
			middle.Seconds(), c.wall[0].Seconds(), c.wall[len(c.wall)-1].Seconds(), c.cpu.Seconds())
	}
	for _, base := range []string{"curl", "curl, sync", "curl, sync, sha256sum"} {
		fmt.Printf("replicate / %s: %.2f\n", base, rate["replicate"]/rate[base])
	}
}
