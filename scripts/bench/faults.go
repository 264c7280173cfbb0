//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

// Two faults are rarer than the others, by this many per mille of their share, so that a run
// does not take days: a stall holds a slot until -timeout, and a Retry-After makes all
// requests wait, as upstream asks.
const (
	stallsPerMille = 10
	pausesPerMille = 1
	timeoutSeconds = 3
)

// faultsOf returns the faults. Each hits share of all requests.
func faultsOf(share float64) []simreg.Fault {
	faults := []simreg.Fault{
		{Kind: simreg.StallBody, Share: share * stallsPerMille / 1000},
		{Kind: simreg.Status, Code: 503, RetryAfter: "1", Share: share * pausesPerMille / 1000},
	}
	for _, kind := range []simreg.Kind{
		simreg.HTML, simreg.JSON, simreg.FlipBit, simreg.WrongCrate, simreg.Truncate, simreg.LongBody,
		simreg.LengthTooLarge, simreg.GzipEncoding, simreg.Reset,
	} {
		faults = append(faults, simreg.Fault{Kind: kind, Share: share})
	}
	for _, code := range []int{429, 500, 503} {
		faults = append(faults, simreg.Fault{Kind: simreg.Status, Code: code, Share: share})
	}
	for i := range faults {
		faults[i].Times = -1
	}
	return faults
}

// underFaults mirrors n versions in one run while each fault hits share of all requests, and
// runs again when there is nothing to do. It fails unless everything was mirrored, the
// evidence is settled and the second run made no request.
func (b *bencher) underFaults(median int, share float64, extra []string) error {
	if err := b.build(); err != nil {
		return err
	}
	reg, err := b.startFaulty(median, share)
	if err != nil {
		return err
	}
	defer reg.stop()

	first, firstErr := b.mirrorFaulty(reg.base, "first", extra)
	sent, err := reg.counts()
	if err != nil {
		return err
	}
	status, err := b.status()
	if err != nil {
		return errors.Join(firstErr, err)
	}
	passes, err := b.passes("first")
	if err != nil {
		return err
	}
	early, late, err := b.tenths()
	if err != nil {
		return errors.Join(firstErr, err)
	}
	fmt.Printf("exit %s: %d of %d versions, %.1f s, %.0f a second, CPU %.0f µs each, peak %.0f MB\n", exitOf(firstErr),
		status.Versions, b.n, first.Wall.Seconds(), float64(status.Versions)/first.Wall.Seconds(), first.CPU.Seconds()/float64(b.n)*1e6, float64(first.Peak)/1e6)
	fmt.Printf("first tenth: %.0f a second, last tenth: %.0f, %.2f of it\n", early, late, late/early)
	sent.print()
	fmt.Printf("tried again: %d versions in the second pass, %d in the third; %d given up\n", passes[2], passes[3], b.n-status.Versions)
	fmt.Printf("evidence: %d settled, %d not\n", status.Settled, status.Quarantine)

	again, againErr := b.mirrorFaulty(reg.base, "again", extra)
	after, err := reg.counts()
	if err != nil {
		return err
	}
	fmt.Printf("again: exit %s, %.1f s, peak %.0f MB, %d requests\n", exitOf(againErr), again.Wall.Seconds(), float64(again.Peak)/1e6, after.Requests-sent.Requests)
	if status.Versions != b.n || status.Quarantine > 0 || after.Requests != sent.Requests {
		err = errors.New("not everything came at once, was settled, and was known the second time")
	}
	return errors.Join(firstErr, againErr, err)
}

func exitOf(err error) string {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		return err.Error()
	}
	return "0"
}

func (b *bencher) mirrorFaulty(base, name string, extra []string) (c turns.Cost, err error) {
	log, err := os.Create(b.path(name + ".log"))
	if err != nil {
		return c, err
	}
	defer log.Close()
	args := []string{"download", "-index-dir", b.path("index.git"), "-manifest", b.path("manifest.jsonl"),
		"-crates-base-url", base, "-include-yanked", "-bundle", "-timeout", strconv.Itoa(timeoutSeconds),
		"-listen", "", "-log-format", "json", "-progress-interval", "30s"}
	cmd := exec.Command(b.program, append(append(args, b.where()...), extra...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, log
	return c, c.Add(cmd)
}

// where returns the flags that say where the mirror is.
func (b *bencher) where() []string {
	return []string{"-out", b.path("out"), "-bundles-out", b.path("bundles")}
}

// mirrorStatus has fields of the output of "status -json".
type mirrorStatus struct {
	Versions   int
	Quarantine int
	Settled    int `json:"quarantine_settled"`
}

func (b *bencher) status() (s mirrorStatus, err error) {
	out, err := exec.Command(b.program, append([]string{"status", "-json"}, b.where()...)...).Output()
	if err != nil {
		return s, fmt.Errorf("asking for the status: %w", err)
	}
	return s, json.Unmarshal(out, &s)
}

// passes returns how many versions each pass after the first began with.
func (b *bencher) passes(name string) (map[int]int, error) {
	log, err := os.Open(b.path(name + ".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	passes := map[int]int{}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Pass, Versions int }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Pass > 0 { // an error at the end is plain text
			passes[line.Pass] = line.Versions
		}
	}
	return passes, lines.Err()
}

// faulty is the process that serves the faults. It is a separate one, since Linux would count
// its memory towards the processes that it starts.
type faulty struct {
	base  string
	cmd   *exec.Cmd
	asks  io.Writer
	tells *bufio.Reader
}

func (b *bencher) startFaulty(median int, share float64) (f *faulty, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f = &faulty{cmd: exec.Command(self, "-serve-faults", "-n", strconv.Itoa(b.n), "-median", strconv.Itoa(median),
		"-faults", fmt.Sprint(share*100), "-dir", b.dir)}
	f.cmd.Stderr = os.Stderr
	if f.asks, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.tells = bufio.NewReader(out)
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := f.tells.ReadString('\n')
	if err != nil {
		f.stop()
		return nil, fmt.Errorf("waiting for the registry: %w", err)
	}
	f.base = strings.TrimSpace(line)
	return f, nil
}

func (f *faulty) stop() {
	f.cmd.Process.Kill() // it may have ended already
	f.cmd.Wait()         // killed
}

// counts are totals of what the registry has received and sent.
type counts struct {
	Requests int
	Sent     map[string]int
}

func (f *faulty) counts() (c counts, err error) {
	if _, err := fmt.Fprintln(f.asks); err != nil {
		return c, fmt.Errorf("asking the registry: %w", err)
	}
	line, err := f.tells.ReadBytes('\n')
	if err != nil {
		return c, fmt.Errorf("asking the registry: %w", err)
	}
	return c, json.Unmarshal(line, &c)
}

func (c counts) print() {
	total := 0
	for _, n := range c.Sent {
		total += n
	}
	fmt.Printf("%d requests, of which %d met a fault (%.1f %%):\n", c.Requests, total, 100*float64(total)/float64(c.Requests))
	for _, name := range slices.Sorted(maps.Keys(c.Sent)) {
		fmt.Printf("  %8d %s\n", c.Sent[name], name)
	}
}

// serveFaults is the main function of that process. It puts the index into a git repository in
// dir and makes crate files on request. It answers each line of its input with the counts.
func serveFaults(dir string, n, median int, share float64) error {
	reg := simreg.Generate(n, median, 1)
	b := &bencher{dir: dir}
	if _, err := os.Stat(b.path("index.git/refs/heads/master")); err != nil { // otherwise an earlier run made it
		if _, err := reg.CommitIndex(context.Background(), b.path("index.git"), "Generated"); err != nil {
			return err
		}
	}
	for _, f := range faultsOf(share) {
		reg.Inject(simreg.All, f)
	}
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Println(server.BaseURL)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		if err := json.NewEncoder(os.Stdout).Encode(counts{reg.TotalRequests(), reg.Sent()}); err != nil {
			return err
		}
	}
	return nil
}
