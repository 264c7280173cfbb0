// Acceptance runs ten trials that a mirror of crates.io must pass; v1.1.0 fails each of them.
// The trials run the programs as an operator does, against a simulated registry on the
// loopback interface, and check the results by other means than the programs'.
//
//	go run ./scripts/acceptance            # this project; or: make acceptance
//	go run ./scripts/acceptance -bin DIR   # another build, with download-crates and extract-bundles in DIR
//
// The third trial cuts the power of a file system and needs root on Linux; elsewhere it is
// skipped with a message.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A trial returns what is wrong, or errLeftOut if it cannot run here.
type trial struct {
	what string
	run  func(w *world) error
}

var errLeftOut = errors.New("left out")

var trials = []trial{
	{"a dry run touches nothing", dryRun},
	{"a second run loses no bundle", secondRun},
	{"exit 0 survives a power cut", powerCut},
	{"a flipped bit in a bundle is no crate", flippedBits},
	{"an error page is never a crate", errorPage},
	{"what is recorded survives signals", signals},
	{"20 failures of 20 are no success", allFail},
	{"a hostile index leads nowhere", hostileIndex},
	{"a stall costs one attempt; slow clients are let go", stalls},
	{"two runs at once do no harm", twoRuns},
}

func main() {
	log.SetFlags(0)
	bin := flag.String("bin", "", "`DIR` with download-crates and extract-bundles; default: built from this checkout")
	only := flag.Int("only", 0, "run trial `N` alone")
	flag.Parse()
	failed, err := run(*bin, *only)
	if err != nil {
		log.Fatal(err)
	}
	if failed > 0 {
		log.Fatalf("%d of %d trials failed", failed, len(trials))
	}
}

func run(bin string, only int) (failed int, err error) {
	dir, err := os.MkdirTemp("", "clonecratesio-acceptance-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if bin == "" {
		bin = filepath.Join(dir, "bin")
		build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/...")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 0, fmt.Errorf("building: %w", err)
		}
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return 0, err
	}
	for _, program := range []string{"download-crates", "extract-bundles"} {
		if _, err := exec.LookPath(filepath.Join(bin, program)); err != nil {
			return 0, err
		}
	}
	for i, t := range trials {
		if only != 0 && only != i+1 {
			continue
		}
		start := time.Now()
		w := &world{bin: bin, dir: filepath.Join(dir, fmt.Sprint(i+1))}
		err := os.Mkdir(w.dir, 0o755)
		if err == nil {
			err = t.run(w)
		}
		w.close()
		verdict := "pass"
		if errors.Is(err, errLeftOut) {
			verdict = "skip"
		} else if err != nil {
			verdict = "FAIL"
			failed++
		}
		fmt.Printf("%2d  %s  %-52s %5.1f s\n", i+1, verdict, t.what, time.Since(start).Seconds())
		if err != nil {
			fmt.Printf("          %v\n", err)
		}
	}
	return failed, nil
}
