//go:build linux

// Benchtransfer measures a transfer over an air gap. It makes a mirror of made-up versions,
// carries it to another mirror, adds one version in a hundred, and carries these. It prints
// the time and the peak memory of each step.
//
//	go run ./scripts/benchtransfer -n 100000 -dir /tmp/bench
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// perCrate is the number of versions per crate, perBundle the number per bundle.
const perCrate, perBundle = 10, 100_000

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 100_000, "versions")
	size := flag.Int("size", 2048, "mean size of a crate file, bytes")
	dir := flag.String("dir", "", "work in this folder, which is to be empty")
	program := flag.String("program", "", "clonecratesio, built before")
	again := flag.Bool("again", false, "only what is new once more, in a folder where this ran before")
	flag.Parse()
	if *dir == "" || *program == "" {
		log.Fatal("give -dir and -program")
	}
	b := &bench{dir: *dir, program: *program, size: *size, random: rand.NewChaCha8([32]byte{7}), sums: map[version][32]byte{}}
	run := func() error { return b.run(*n) }
	if *again {
		run = b.again
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

type bench struct {
	dir, program string
	size         int
	random       *rand.ChaCha8
	sums         map[version][32]byte
	day          int
	bundles      int
	added        int64 // bytes of bundles
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) run(n int) error {
	if err := b.git("init", "--quiet", "--bare", "--initial-branch=master", b.path("near/crates.io-index")); err != nil {
		return err
	}
	var all, more []version
	for i := range n {
		all = append(all, version{i / perCrate, i % perCrate})
	}
	for i := range n / 100 { // one crate in ten has one more
		more = append(more, version{i * perCrate, perCrate})
	}
	if err := b.publish(all); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		args []string
	}{
		{"reindex", []string{"reindex", "-mirror", b.path("near")}},
		{"export -full", []string{"export", "-mirror", b.path("near"), "-to", b.path("full"), "-full"}},
		{"import", []string{"import", "-mirror", b.path("far"), "-from", b.path("full"), "-unsigned"}},
	} {
		if err := b.step(step.name, step.args...); err != nil {
			return err
		}
	}
	b.added = 0
	if err := b.publish(more); err != nil {
		return err
	}
	if err := b.step("sync", "sync", "-mirror", b.path("near"), "-skip-index-update", "-bundle", "-listen", ""); err != nil {
		return err
	}
	if err := b.step("export -since last", "export", "-mirror", b.path("near"), "-to", b.path("part"), "-since", "last"); err != nil {
		return err
	}
	fmt.Printf("new: %d bytes, carried: %d bytes\n", b.added, sizeOf(b.path("part")))
	if err := b.step("import", "import", "-mirror", b.path("far"), "-from", b.path("part"), "-unsigned"); err != nil {
		return err
	}
	return b.step("import once more", "import", "-mirror", b.path("far"), "-from", b.path("part"), "-unsigned")
}

// again carries what is new, a second time.
func (b *bench) again() error {
	if err := os.RemoveAll(b.path("part")); err != nil {
		return err
	}
	if err := b.step("import -undo", "import", "-mirror", b.path("far"), "-undo"); err != nil {
		return err
	}
	if err := b.step("export -since 1", "export", "-mirror", b.path("near"), "-to", b.path("part"), "-since", "1"); err != nil {
		return err
	}
	fmt.Printf("carried: %d bytes\n", sizeOf(b.path("part")))
	return b.step("import", "import", "-mirror", b.path("far"), "-from", b.path("part"), "-unsigned")
}

// publish adds versions, and the index lines of their crates.
func (b *bench) publish(versions []version) error {
	if err := os.MkdirAll(b.path("near/bundles"), 0o755); err != nil {
		return err
	}
	folder, err := durable.Open(b.path("near/bundles"))
	if err != nil {
		return err
	}
	defer folder.Close()
	for some := range slices.Chunk(versions, perBundle) {
		w, err := bundle.Create(folder, bundle.FileName(b.bundles))
		if err != nil {
			return err
		}
		b.bundles++
		for _, v := range some {
			data := make([]byte, b.size/2+int(b.random.Uint64()%uint64(b.size)))
			b.random.Read(data)
			f, err := bundle.Encode(nil, v.id(), data)
			if err != nil {
				return err
			}
			if _, err := w.Append(f); err != nil {
				return err
			}
			b.sums[v] = sha256.Sum256(data)
		}
		sum, err := w.Finish()
		if err != nil {
			return err
		}
		b.added += sum.FileSize
		if err := w.Publish(); err != nil {
			return err
		}
	}
	return b.commit(versions)
}

// A version is identified by the numbers of its crate and of itself.
type version struct{ crate, minor int }

// id returns the name and version. The names spread the crates over the folders of an index as
// on crates.io, several in each.
func (v version) id() crate.ID {
	n := v.crate * 2654435761 % (1 << 28)
	name := fmt.Sprintf("%c%c%c%c-%07x", 'a'+n%26, 'a'+n/26%26, 'a'+n/676%5, 'a'+n/3380%5, n)
	return crate.ID{Name: name, Version: fmt.Sprintf("1.%d.0", v.minor)}
}

// commit writes the index files of the crates that have these versions.
func (b *bench) commit(versions []version) error {
	cmd := exec.Command("git", "--git-dir", b.path("near/crates.io-index"), "fast-import", "--quiet", "--force")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	out := bufio.NewWriter(in)
	at := time.Date(2026, 1, 1+b.day, 12, 0, 0, 0, time.UTC).Unix()
	fmt.Fprintf(out, "commit refs/heads/master\ncommitter b <b@example.org> %d +0000\ndata 6\nUpdate\n", at)
	if b.day++; b.day > 1 {
		fmt.Fprint(out, "from refs/heads/master^0\n")
	} else {
		b.file(out, "config.json", `{"dl":"https://static.crates.io/crates"}`)
	}
	last := -1
	for _, v := range versions {
		if v.crate != last {
			b.file(out, crate.IndexPath(v.id().Name), b.lines(v.crate))
			last = v.crate
		}
	}
	fmt.Fprint(out, "\n")
	if err := out.Flush(); err != nil {
		return err
	}
	in.Close()
	return cmd.Wait()
}

// lines returns all index lines of a crate.
func (b *bench) lines(of int) string {
	var text strings.Builder
	for v := (version{of, 0}); ; v.minor++ {
		sum, ok := b.sums[v]
		if !ok {
			return text.String()
		}
		id := v.id()
		fmt.Fprintf(&text, `{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", id.Name, id.Version, hex.EncodeToString(sum[:]))
	}
}

func (b *bench) file(out *bufio.Writer, path, text string) {
	fmt.Fprintf(out, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
}

func (b *bench) git(args ...string) error {
	cmd := exec.Command("git", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// step runs the program and prints its time and memory.
func (b *bench) step(name string, args ...string) error {
	cmd := exec.Command(b.program, append(args, "-log-level", "error")...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	memory := make(chan [2]int64)
	go func() { memory <- watch(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	took := time.Since(begun)
	close(done)
	most := <-memory
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() // including the processes that it ran
	fmt.Printf("%-20s %8.1f s, %8.1f s of processors, %d MiB, git %d MiB\n", name, took.Seconds(), cpu.Seconds(), most[0]>>10, most[1]>>10)
	return err
}

// watch returns the peak memory of a process, and of the processes that it ran, in KiB each.
func watch(pid int, done <-chan struct{}) (most [2]int64) {
	for {
		select {
		case <-done:
			return most
		case <-time.After(20 * time.Millisecond):
		}
		most[0] = max(most[0], peak(pid))
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, name := range lists {
			list, _ := os.ReadFile(name)
			for child := range strings.FieldsSeq(string(list)) {
				if n, err := strconv.Atoi(child); err == nil {
					most[1] = max(most[1], peak(n))
				}
			}
		}
	}
}

// peak returns the peak memory of a process in KiB, or 0 if it has ended.
func peak(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	var kib int64
	_, _ = fmt.Sscanf(after, "%d kB", &kib)
	return kib
}

func sizeOf(dir string) (sum int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}
