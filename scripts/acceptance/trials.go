package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func dryRun(w *world) error {
	w.bundled = true
	if err := errors.Join(w.serve(small(20, 2000)), succeed(w.download())); err != nil {
		return err
	}
	before, err := files(w.dir)
	if err != nil {
		return err
	}
	if err := succeed(w.download("-dry-run")); err != nil {
		return err
	}
	after, err := files(w.dir)
	if err == nil && !maps.Equal(before, after) {
		err = fmt.Errorf("%d files before it, %d after, or others", len(before), len(after))
	}
	return err
}

func secondRun(w *world) error {
	w.bundled = true
	if err := errors.Join(w.serve(small(20, 2000)), succeed(w.download()), succeed(w.download("-limit", "1"))); err != nil {
		return err
	}
	found, err := w.inBundles()
	if err == nil && len(found) != w.reg.Len() {
		err = fmt.Errorf("%d of %d crates are left in the bundles", len(found), w.reg.Len())
	}
	return err
}

func flippedBits(w *world) error {
	w.bundled = true
	if err := errors.Join(w.serve(small(20, 2000)), succeed(w.download())); err != nil {
		return err
	}
	names, err := filepath.Glob(w.path("bundles", "*"+bundle.Ext))
	if err != nil || len(names) != 1 {
		return fmt.Errorf("bundles %v: %w", names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		return err
	}
	const flips = 60
	var silent, wrong int
	for i := range flips {
		bad := append([]byte(nil), whole...)
		bad[len(bad)*i/flips] ^= 0x10
		if err := errors.Join(os.RemoveAll(w.path("out")), os.WriteFile(names[0], bad, 0o644)); err != nil {
			return err
		}
		got, err := code(w.command("extract-bundles", "-bundles-dir", "bundles", "-out", "out"))
		if err != nil {
			return err
		}
		if got == 0 {
			silent++
		}
		if _, err := w.loose(); err != nil {
			wrong++
		}
	}
	if silent > 0 || wrong > 0 {
		return fmt.Errorf("of %d flips %d exit 0, %d leave a wrong crate", flips, silent, wrong)
	}
	return nil
}

func errorPage(w *world) error {
	if err := w.serve(small(20, 2000)); err != nil {
		return err
	}
	id := w.reg.IDs()[7]
	w.reg.Inject(id, simreg.Fault{Kind: simreg.HTML, Times: -1})
	got, err := code(w.download("-retries", "2", "-retry-base", "10ms"))
	if err != nil {
		return err
	}
	if n, err := w.loose(); err != nil || n != w.reg.Len()-1 || got == 0 {
		return fmt.Errorf("with the page: %d crates, exit code %d: %w", n, got, err)
	}
	w.reg.Heal()
	if _, err := code(w.download()); err != nil {
		return err
	}
	if n, err := w.loose(); err != nil || n != w.reg.Len() {
		return fmt.Errorf("without it: %d of %d crates: %w", n, w.reg.Len(), err)
	}
	return nil
}

// signals stops a run that makes bundles, several times. What was recorded must still exist
// when the next run is done, and must not be downloaded again.
func signals(w *world) error {
	w.bundled = true
	if err := w.serve(small(300, 2000)); err != nil {
		return err
	}
	for i, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, os.Kill} {
		w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 200 * time.Millisecond, Times: -1})
		cmd := w.download()
		before := w.reg.TotalRequests()
		if err := cmd.Start(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		w.settled(ctx, before+90)
		cancel()
		time.Sleep(1200 * time.Millisecond) // until something was recorded
		cmd.Process.Signal(signal)
		cmd.Wait()
		ids, err := w.recorded()
		if err != nil {
			return err
		}
		w.reg.Heal()
		asked := map[crate.ID]int{}
		for _, id := range ids {
			asked[id] = w.reg.Requests(id)
		}
		if err := succeed(w.download()); err != nil {
			return err
		}
		found, err := w.inBundles()
		if err != nil {
			return err
		}
		var lost, again int
		for _, id := range ids {
			if !found[id] {
				lost++
			}
			if w.reg.Requests(id) > asked[id] {
				again++
			}
		}
		if len(ids) == 0 || lost > 0 || again > 0 || len(found) != w.reg.Len() {
			return fmt.Errorf("%v: of %d crates that were recorded %d are lost and %d fetched again; %d of %d are in bundles in the end",
				signal, len(ids), lost, again, len(found), w.reg.Len())
		}
		if i < 2 {
			if err := errors.Join(os.RemoveAll(w.path("out")), os.RemoveAll(w.path("bundles")), os.Remove(w.path("manifest.jsonl"))); err != nil {
				return err
			}
		}
	}
	return nil
}

func allFail(w *world) error {
	if err := w.serve(small(20, 2000)); err != nil {
		return err
	}
	for _, status := range []int{403, 500} {
		w.reg.Heal()
		w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Status, Code: status, Times: -1})
		got, err := code(w.download("-retries", "1", "-retry-base", "10ms"))
		if err == nil && got == 0 {
			err = fmt.Errorf("every request is answered %d, and the exit code is 0", status)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hostileIndex serves crates whose names and versions are paths, with bytes that match the
// checksums of their lines.
func hostileIndex(w *world) error {
	body := []byte("not a crate, but what its line promises")
	var lines strings.Builder
	for _, id := range []crate.ID{
		{Name: "..", Version: "1.0.0"}, {Name: "....", Version: "1.0.0"}, {Name: "../../x", Version: "1.0.0"},
		{Name: "evil", Version: "1/../../../x"}, {Name: "evil", Version: "x/../../../../y"}, {Name: "evil", Version: "../../1.0.0"},
	} {
		fmt.Fprintf(&lines, `{"name":%q,"vers":%q,"deps":[],"cksum":"%x","features":{},"yanked":false}`+"\n",
			id.Name, id.Version, sha256.Sum256(body))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write(body) }))
	w.base = "http://" + l.Addr().String() + "/crates"
	err = errors.Join(os.MkdirAll(w.path("index", "ev", "il"), 0o755), os.MkdirAll(w.path("a", "b"), 0o755),
		os.WriteFile(w.path("index", "ev", "il", "evil"), []byte(lines.String()), 0o644))
	if err != nil {
		return err
	}
	before, err := files(w.dir)
	if err != nil {
		return err
	}
	out := filepath.Join("a", "b", "out") // paths could lead to the folders above it
	got, err := code(w.download("-out", out, "-retries", "1", "-retry-base", "10ms"))
	if err != nil {
		return err
	}
	after, err := files(w.dir)
	if err != nil {
		return err
	}
	for name := range after {
		_, was := before[name]
		if inside := strings.HasPrefix(name, "/"+filepath.ToSlash(out)+"/.clonecratesio/") || strings.HasPrefix(name, "/manifest"); !was && !inside {
			return fmt.Errorf("%s was written", name)
		}
	}
	if got == 0 {
		return errors.New("lines that cannot be mirrored, and exit code 0")
	}
	return nil
}

// stalls makes one answer stop in the middle, once, and opens silent connections to the
// metrics port.
func stalls(w *world) error {
	if err := w.serve(small(20, 2000)); err != nil {
		return err
	}
	w.reg.Inject(w.reg.IDs()[3], simreg.Fault{Kind: simreg.StallBody, Times: 1})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close()
	cmd := w.download("-listen", addr, "-timeout", "60")
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- succeed(cmd) }()
	open := slowClients(addr, 200)
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	if len(open) < 100 {
		return fmt.Errorf("only %d connections to -listen", len(open))
	}
	time.Sleep(20 * time.Second)
	if n := stillOpen(open); n > 0 {
		cmd.Process.Kill()
		return fmt.Errorf("%d of %d clients that say nothing are served after 20 s", n, len(open))
	}
	if err := <-done; err != nil {
		return fmt.Errorf("after %v: %w", time.Since(start).Round(time.Second), err)
	}
	n, err := w.loose()
	if err == nil && n != w.reg.Len() {
		err = fmt.Errorf("%d of %d crates", n, w.reg.Len())
	}
	return err
}

// slowClients opens n connections that send half a request.
func slowClients(addr string, n int) (open []net.Conn) {
	for end := time.Now().Add(5 * time.Second); len(open) < n && time.Now().Before(end); {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			time.Sleep(20 * time.Millisecond) // it is not listening yet
			continue
		}
		fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow:")
		open = append(open, c)
	}
	return open
}

func stillOpen(conns []net.Conn) (n int) {
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 512)); errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

func twoRuns(w *world) error {
	w.bundled = true
	if err := w.serve(small(300, 2000)); err != nil {
		return err
	}
	w.reg.Inject(simreg.All, simreg.Fault{Kind: simreg.Latency, Delay: 20 * time.Millisecond, Times: -1})
	cmds := []*exec.Cmd{w.download(), w.download()}
	codes := make(chan int, 2)
	for _, cmd := range cmds {
		go func() {
			got, err := code(cmd)
			if err != nil {
				got = -2
			}
			codes <- got
		}()
	}
	a, b := <-codes, <-codes
	found, err := w.inBundles()
	if err != nil {
		return err
	}
	if a != 0 && b != 0 || len(found) != w.reg.Len() {
		return fmt.Errorf("exit codes %d and %d, %d of %d crates can be read", a, b, len(found), w.reg.Len())
	}
	return nil
}
