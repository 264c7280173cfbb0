//go:build linux

// Benchall runs all benches of scripts in sequence and writes their output into their section
// of docs/measurements.md, each with its command, the load before it and its duration. It
// skips a bench whose programs are not installed, and says so in the section.
//
//	go run ./scripts/benchall                            # a quarter of an hour
//	go run ./scripts/benchall -scale full -index INDEX   # hours
//	go run ./scripts/benchall -rows 'curl|extract' -print
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var (
	scale  = flag.String("scale", "small", "small or full")
	only   = flag.String("rows", "", "run the benches whose titles match this `EXPRESSION` alone")
	index  = flag.String("index", "", "a bare `REPOSITORY` of the real index, for plan, sidecars, and nothing new of all of it")
	v110   = flag.String("v110", "", "a `FOLDER` with the programs of v1.1.0, to measure them, too")
	folder = flag.String("dir", os.TempDir(), "work below this folder")
	prints = flag.Bool("print", false, "print the section, and leave the document as it is")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() (err error) {
	names, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if *scale != "small" && *scale != "full" {
		return fmt.Errorf("-scale %s: is it small or full?", *scale)
	}
	dir, err := os.MkdirTemp(*folder, "benchall-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := build(dir); err != nil {
		return err
	}
	machine, err := heading(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range benches() {
		if names.MatchString(b.title) {
			errs = append(errs, b.measure(machine, dir))
		}
	}
	return errors.Join(errs...)
}

// measure runs a bench and writes its output at once: the next one may take hours.
func (b bench) measure(machine, dir string) error {
	var text bytes.Buffer
	err := b.run(&text, dir)
	if *prints {
		_, printed := os.Stdout.Write(text.Bytes())
		return errors.Join(err, printed)
	}
	return errors.Join(err, writeSection(document, machine, map[string][]byte{b.title: text.Bytes()}))
}

// build compiles the program and the benches, so that no compiler is measured.
func build(dir string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "./cmd/clonecratesio", "./scripts/bench",
		"./scripts/benchlocal", "./scripts/benchnet", "./scripts/benchserve", "./scripts/benchreplicate", "./scripts/weigh")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// heading returns a description of the machine and the program.
func heading(dir string) (string, error) {
	info, err := os.Stat(filepath.Join(dir, "clonecratesio"))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s processors (%s), %s MB of memory, %s, file system %s.\nThe program, stripped, is %.1f MB.\n",
		said("nproc"), strings.TrimSpace(said("sh", "-c", "grep -m1 '^model name' /proc/cpuinfo | cut -d: -f2")),
		said("sh", "-c", "free -m | awk '/^Mem/{print $2}'"), said("go", "env", "GOVERSION"), said("stat", "-f", "-c", "%T", dir),
		float64(info.Size())/1e6), nil
}

// said returns the output of a command, or "unknown" if it fails: nothing depends on it.
func said(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// bench describes a bench.
type bench struct {
	title string
	about string
	needs string // programs, separated by spaces
	args  string // shown to the reader, too; $DIR is its folder
}

// run adds the output of a bench, or its error, to the section.
func (b bench) run(section io.Writer, dir string) error {
	fmt.Fprintf(section, "\n### %s\n\n", b.title)
	if b.about != "" {
		fmt.Fprintf(section, "%s\n\n", b.about)
	}
	for _, name := range strings.Fields(b.needs) {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Fprintf(section, "Not measured: %s is not on this machine.\n", name)
			return nil
		}
	}
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	load, began := said("cut", "-d", " ", "-f1", "/proc/loadavg"), time.Now()
	log.Printf("%s: %s", b.title, b.args)
	cmd := exec.Command("sh", "-c", b.args)
	cmd.Env = append(os.Environ(), "DIR="+work, "PATH="+dir+":"+os.Getenv("PATH"), "INDEX="+*index, "V110="+*v110)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	took := time.Since(began).Round(time.Second)
	fmt.Fprintf(section, "Commit %s, %s, scale %s, load %s before it; it took %s.\n\n```console\n$ %s\n```\n\n%s",
		said("git", "rev-parse", "--short", "HEAD"), began.UTC().Format("2 January 2006"), *scale, load, took, b.args, b.shown(strings.ReplaceAll(string(out), work, "$DIR")))
	if err != nil {
		err = fmt.Errorf("%s: %w", b.title, err)
		fmt.Fprintf(section, "\nIt failed: %v\n", err)
	}
	log.Printf("%s: %s", b.title, took)
	return err
}

// shown formats the output of a bench: tables as they are, the rest as preformatted text.
func (b bench) shown(out string) string {
	if strings.Contains(out, "|---|") {
		return out
	}
	return "```text\n" + out + "```\n"
}

// benches returns all benches, for the chosen scale.
func benches() []bench {
	small := *scale == "small"
	n := func(few, many int) int {
		if small {
			return few
		}
		return many
	}
	local := fmt.Sprintf("benchlocal -dir $DIR -n %d", n(20_000, 1_700_000))
	planned := local
	if *index != "" {
		planned = "benchlocal -dir $DIR -n 100 -index $INDEX"
	}
	return []bench{
		{"Fetching, beside curl", "Crates of 2 KB median, into an empty folder; then nothing new; then one version in a hundred more. curl verifies nothing, and does not wait for the disk.",
			"curl", fmt.Sprintf("bench -dir $DIR -n %d -rounds %d", n(20_000, 84_780), n(3, 5))},
		{"From afar, beside curl", "50 ms there and back, 1 Gbit/s in all: curl with fixed numbers of connections.",
			"curl", fmt.Sprintf("bench -dir $DIR -n %d -rounds %d -latency 50ms -rate 1000", n(4_000, 84_780), n(1, 3))},
		{"Beside panamax, get-all-crates, romt and v1.1.0", "Each reads the index from a git repository on this machine, get-all-crates and v1.1.0 from a folder. get-all-crates asks no other host than crates.io: one line of it was changed (`scripts/rivals/get-all-crates.sh`), and `sync -f` runs after it, because ours is durable when it ends. Those that are not installed are left out; v1.1.0 is in `V110=DIR`.",
			"git", fmt.Sprintf("bench -dir $DIR -n %d -rounds %d -rivals -v110 \"$V110\"", n(10_000, 84_780), n(1, 3))},
		{"Limits and protocols", "TLS over one line of 1 Gbit/s, 50 ms away: crates of 4.7 KB, of 60 KB, and a server that says 429 beyond 800 requests a second.",
			"", "benchnet && benchnet -mean 60000 -duration 8s && benchnet -budget 800 -duration 5s"},
		{"After a kill -9", "Killed half way, with 16 requests at a time: how much is fetched again.",
			"go", "go test -count 1 -v -run KillFetchesLittle ./internal/cli | grep killed"},
		{"While one request in nine goes wrong, once", "", "git", fmt.Sprintf("bench -dir $DIR -n %d -faults 1", n(50_000, 1_700_000))},
		{"Planning and sidecars, beside cat and git", "", "git", planned + " -rows '^(plan|sidecars|nothing new of)'"},
		{"What is held: nothing new, verify, extract, starts", "", "git tar zstd", local + " -rows '^(nothing|hash|extract|[0-9]+ starts)'"},
		{"serve, beside nginx", "", "nginx wrk git", fmt.Sprintf("benchserve -dir $DIR -versions %d -rounds %d -duration %ds", n(600, 2000), n(3, 5), n(2, 3))},
		{"cargo fetch, beside nginx", "", "nginx cargo openssl git", fmt.Sprintf("benchserve -dir $DIR -cargo %d -rounds %d", n(100, 417), n(3, 5))},
		{"cargo fetch from 20 ms away, beside nginx", "", "nginx cargo openssl git", fmt.Sprintf("benchserve -dir $DIR -cargo %d -rounds %d -latency 20ms", n(100, 417), n(3, 5))},
		{"replicate, beside curl", "", "curl git", fmt.Sprintf("benchreplicate -dir $DIR -gb 1 -rounds %d", n(3, 5))},
		{"What the program is made of", "", "go", "weigh && echo && weigh -nomethods | head -1"},
	}
}
