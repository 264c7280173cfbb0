//go:build linux

// Command benchtransfer measures a transfer over an air gap: it makes a mirror of made-up
// versions, carries it to another one, adds one in a hundred, and carries these. For each
// step it says how long it took, and the most memory that it had.
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
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// perCrate is how many versions a crate has, perBundle how many a bundle.
const perCrate, perBundle = 10, 100_000

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 100_000, "versions")
	size := flag.Int("size", 2048, "mean size of a crate file, bytes")
	dir := flag.String("dir", "", "work in this folder, which is to be empty")
	program := flag.String("program", "", "clonecratesio, built before")
	flag.Parse()
	if *dir == "" || *program == "" {
		log.Fatal("give -dir and -program")
	}
	b := &bench{dir: *dir, program: *program, size: *size, random: rand.NewChaCha8([32]byte{7})}
	if err := b.run(*n); err != nil {
		log.Fatal(err)
	}
}

type bench struct {
	dir, program string
	size         int
	random       *rand.ChaCha8
	day          int
	bundles      int
	added        int64 // bytes of bundles
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) run(n int) error {
	if err := b.git("init", "--quiet", "--bare", "--initial-branch=master", b.path("near/crates.io-index")); err != nil {
		return err
	}
	if err := b.publish(0, n); err != nil {
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
	if err := b.publish(n, n+n/100); err != nil {
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

// publish makes versions from one number to another: new crates, and one more version of
// others.
func (b *bench) publish(from, to int) error {
	if err := os.MkdirAll(b.path("near/bundles"), 0o755); err != nil {
		return err
	}
	folder, err := durable.Open(b.path("near/bundles"))
	if err != nil {
		return err
	}
	defer folder.Close()
	sums := make([][32]byte, 0, to-from)
	for begin := from; begin < to; begin += perBundle {
		w, err := bundle.Create(folder, bundle.FileName(b.bundles))
		if err != nil {
			return err
		}
		b.bundles++
		for i := begin; i < min(to, begin+perBundle); i++ {
			data := make([]byte, b.size/2+int(b.random.Uint64()%uint64(b.size)))
			b.random.Read(data)
			f, err := bundle.Encode(nil, id(i), data)
			if err != nil {
				return err
			}
			if _, err := w.Append(f); err != nil {
				return err
			}
			sums = append(sums, sha256.Sum256(data))
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
	return b.commit(from, sums)
}

// id is the n-th version: each crate gets all of its versions at once.
func id(n int) crate.ID {
	return crate.ID{Name: fmt.Sprintf("crate-%07x", (n/perCrate)*2654435761%(1<<28)), Version: fmt.Sprintf("1.%d.0", n%perCrate)}
}

// commit adds lines to the index.
func (b *bench) commit(from int, sums [][32]byte) error {
	b.day++
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
	at := time.Date(2026, 1, b.day, 12, 0, 0, 0, time.UTC).Unix()
	fmt.Fprintf(out, "commit refs/heads/master\ncommitter b <b@example.org> %d +0000\ndata 6\nUpdate\n", at)
	if from > 0 {
		fmt.Fprint(out, "from refs/heads/master^0\n")
	} else {
		b.file(out, "config.json", `{"dl":"https://static.crates.io/crates"}`)
	}
	for i := 0; i < len(sums); i += perCrate {
		text := ""
		for j := i; j < min(len(sums), i+perCrate); j++ {
			v := id(from + j)
			text += fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", v.Name, v.Version, hex.EncodeToString(sums[j][:]))
		}
		b.file(out, crate.IndexPath(id(from+i).Name), text)
	}
	fmt.Fprint(out, "\n")
	if err := out.Flush(); err != nil {
		return err
	}
	in.Close()
	return cmd.Wait()
}

func (b *bench) file(out *bufio.Writer, path, text string) {
	fmt.Fprintf(out, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
}

func (b *bench) git(args ...string) error {
	cmd := exec.Command("git", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// step runs the program, and says what it took.
func (b *bench) step(name string, args ...string) error {
	cmd := exec.Command(b.program, append(args, "-log-level", "error")...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		cpu := time.Duration(r.Utime.Nano() + r.Stime.Nano())
		fmt.Printf("%-20s %8.1f s, %8.1f s of processors, %d MiB\n", name, took.Seconds(), cpu.Seconds(), r.Maxrss>>10)
	}
	return err
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
