package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg/badindex"
)

// killAt is the environment variable that makes a program of the tests kill
// itself at its n-th operation on a disk.
const killAt = "CLONECRATESIO_TEST_KILL_AT"

// bundleSize is the environment variable with the size of a bundle, in bytes.
const bundleSize = "CLONECRATESIO_TEST_BUNDLE_SIZE"

// fullUntil is the environment variable with a path: as long as it exists on a disk, the disk
// has little space.
const fullUntil = "CLONECRATESIO_TEST_FULL_UNTIL"

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	durabletest.GarbageWaits()
	testscript.Main(m, map[string]func(){
		"clonecratesio":     func() { os.Exit(testApp().Run(Root, os.Args)) },
		"download-crates":   func() { os.Exit(testApp().Run(DownloadCrates, os.Args)) },
		"extract-bundles":   func() { os.Exit(testApp().Run(ExtractBundles, os.Args)) },
		"generate-sidecars": func() { os.Exit(testApp().Run(GenerateSidecars, os.Args)) },
	})
}

// testApp returns the real program, which can reach only this machine.
func testApp() *App {
	app := &App{program.App{Exit: os.Exit, Dial: simreg.LoopbackOnly}}
	app.BundleSize, _ = strconv.ParseInt(os.Getenv(bundleSize), 10, 64)
	if trash := os.Getenv(fullUntil); trash != "" {
		app.Disk = func(fsys durable.FS) durable.FS { return full{fsys, trash} }
	}
	if n, err := strconv.Atoi(os.Getenv(killAt)); err == nil {
		var ops atomic.Int64 // of all folders together
		app.Disk = func(fsys durable.FS) durable.FS {
			return durabletest.Hook(fsys, func(durabletest.Op) durabletest.Fault {
				if ops.Add(1) == int64(n) {
					p, _ := os.FindProcess(os.Getpid())
					p.Kill()
					select {}
				}
				return durabletest.Fault{}
			})
		}
	}
	return app
}

// full is a disk that has little space as long as a path exists on it.
type full struct {
	durable.FS
	until string
}

func (d full) Free() (bytes, files int64, err error) {
	if _, err := d.Stat(d.until); err != nil {
		return d.FS.Free()
	}
	return 1000, 1000, nil
}

// TestScripts runs testdata/script, with these commands beside testscript's:
//
//	registry FILE      serves the registry that FILE describes; $REG is its URL
//	writeindex DIR     writes its index
//	inject NAME VERSION KIND TIMES [CODE]
//	                   makes requests fail; "all all" means every crate
//	heal               makes them succeed again
//	replace NAME VERSION   gives a version other bytes
//	lockfile FILE NAME@VERSION ...
//	                   writes a Cargo.lock of these versions
//	add TEXT           adds versions, as in FILE
//	publish, unpublish, yank, unyank NAME VERSION
//	publishmany N      publishes N versions of new crates
//	commit DIR         commits the index to a git repository
//	squash DIR         does so, and removes the history
//	day YYYY-MM-DD     dates the next commit
//	await FILE TEXT    waits until the file contains the text; await -gone FILE: until it
//	                   is not there
//	requests N         wants N requests since the last time
//	code N COMMAND ... wants exit code N
//	hold FILE          keeps a lock file locked
//	port               listens on a port, $PORT
//	freeport           finds one on which nothing listens, $PORT
//	get URL            asks a server, once it listens; the answer is stdout
//	bundle ours|v1.1.0 NUMBER DIR
//	                   writes the registry's crates into a bundle of a format,
//	                   with a manifest beside it
//	flip FILE OFFSET   flips a bit; a negative offset is from the end
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: someScripts(t),
		Setup: func(env *testscript.Env) error {
			env.Values["world"] = &scriptWorld{}
			return skipWithoutTools(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"registry":   func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).start(ts, args[0]) },
			"writeindex": func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).writeIndex(ts, args[0]) },
			"badindex":   func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).badIndex(ts, args[0]) },
			"inject":     func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).inject(ts, args) },
			"heal":       func(ts *testscript.TestScript, _ bool, _ []string) { worldOf(ts).reg.Heal() },
			"replace": func(ts *testscript.TestScript, _ bool, args []string) {
				worldOf(ts).reg.ReplaceBytes(crate.ID{Name: args[0], Version: args[1]})
			},
			"add":      func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).publish(ts, args[0]) },
			"lockfile": func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).lockfile(ts, args) },
			"publish": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, version := range args[1:] {
					worldOf(ts).reg.Add(simreg.Version{Name: args[0], Version: version})
				}
			},
			"publishmany": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				for reg := worldOf(ts).reg; n > 0; n-- {
					reg.Add(simreg.Version{Name: fmt.Sprintf("crate%d", reg.Len()), Version: "1.0.0"})
				}
			},
			"unpublish": func(ts *testscript.TestScript, _ bool, args []string) {
				worldOf(ts).reg.Remove(crate.ID{Name: args[0], Version: args[1]})
			},
			"yank": func(ts *testscript.TestScript, _ bool, args []string) {
				worldOf(ts).reg.Yank(crate.ID{Name: args[0], Version: args[1]}, true)
			},
			"unyank": func(ts *testscript.TestScript, _ bool, args []string) {
				worldOf(ts).reg.Yank(crate.ID{Name: args[0], Version: args[1]}, false)
			},
			"commit": func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).commit(ts, args[0]) },
			"squash": func(ts *testscript.TestScript, _ bool, args []string) {
				_, err := worldOf(ts).reg.Squash(context.Background(), ts.MkAbs(args[0]))
				ts.Check(err)
			},
			"day": func(ts *testscript.TestScript, _ bool, args []string) {
				noon, err := time.Parse("2006-01-02T15", args[0]+"T12")
				ts.Check(err)
				worldOf(ts).reg.Date(noon)
			},
			"await": await,
			"date": func(ts *testscript.TestScript, _ bool, args []string) {
				t, err := time.Parse(time.DateOnly, args[0])
				ts.Check(err)
				worldOf(ts).reg.Date(t)
			},
			"requests": func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).wantRequests(ts, args[0]) },
			"code":     wantCode,
			"hold":     hold,
			"port":     port,
			"freeport": freePort,
			"get":      getURL,
			"bundle":   func(ts *testscript.TestScript, _ bool, args []string) { worldOf(ts).bundle(ts, args) },
			"flip":     flip,
		},
	})
}

// dearScripts are the scripts that take most of the time, because they start many programs.
var dearScripts = strings.Fields(`accept airgap airgap_guide attest carried demo demo_airgap doctor export follow_bundle hostile
	import_tree key past peers prune prune_bundles prune_deep prune_deep_space repack replicate replicate_deep republished_kept
	select shard shard_store sidecars store sync sync_sparse telemetry transfer usage verify`)

// someScripts returns the files of the scripts to run: a random seventh of the dear ones and
// half of the others; more in CI (-more); all if the test is thorough or -run names scripts.
func someScripts(t *testing.T) []string {
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	must(t, err)
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return all
	}
	var dear, others []string
	for _, file := range all {
		if slices.Contains(dearScripts, strings.TrimSuffix(filepath.Base(file), ".txtar")) {
			dear = append(dear, file)
		} else {
			others = append(others, file)
		}
	}
	if len(dear) != len(dearScripts) {
		t.Fatalf("%d of %d dear scripts are there", len(dear), len(dearScripts))
	}
	return slices.Concat(durabletest.Sample(len(dear)/7, dear), durabletest.Sample(len(others)/2, others))
}

type scriptWorld struct {
	reg  *simreg.Registry
	seen int
}

func worldOf(ts *testscript.TestScript) *scriptWorld { return ts.Value("world").(*scriptWorld) }

func (w *scriptWorld) start(ts *testscript.TestScript, file string) {
	versions, err := simreg.Parse(ts.ReadFile(file))
	ts.Check(err)
	w.serve(ts, simreg.New(versions...))
}

func (w *scriptWorld) serve(ts *testscript.TestScript, reg *simreg.Registry) {
	w.reg, w.seen = reg, 0
	server, err := reg.Start(simreg.Options{})
	ts.Check(err)
	ts.Defer(server.Close)
	ts.Setenv("REG", server.BaseURL)
	ts.Setenv("SPARSE", "sparse+"+server.IndexURL)
	ts.Setenv("FEED", server.FeedURL)
}

func (w *scriptWorld) writeIndex(ts *testscript.TestScript, dir string) {
	ts.Check(w.reg.WriteIndex(ts.MkAbs(dir)))
}

// commit commits the index as it is now; a script without git is skipped by
// its first line, "[!exec:git] skip".
func (w *scriptWorld) commit(ts *testscript.TestScript, dir string) {
	_, err := w.reg.CommitIndex(context.Background(), ts.MkAbs(dir), "Update")
	ts.Check(err)
}

// await waits until another process has written a text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	var content []byte
	for range 1000 {
		if args[0] == "-gone" {
			if _, err := os.Stat(ts.MkAbs(args[1])); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		content, _ = os.ReadFile(ts.MkAbs(args[0]))
		if strings.Contains(string(content), args[1]) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s has no %q after 20 s: %s", args[0], args[1], content)
}

func (w *scriptWorld) badIndex(ts *testscript.TestScript, dir string) {
	bad, err := badindex.Write(ts.MkAbs(dir))
	ts.Check(err)
	w.serve(ts, bad.Registry)
}

func (w *scriptWorld) inject(ts *testscript.TestScript, args []string) {
	times, err := strconv.Atoi(args[3])
	ts.Check(err)
	f := simreg.Fault{Kind: simreg.Kind(args[2]), Times: times}
	if len(args) > 4 {
		f.Code, err = strconv.Atoi(args[4])
		ts.Check(err)
	}
	id := crate.ID{Name: args[0], Version: args[1]}
	if args[0] == "all" {
		id = simreg.All
	}
	if args[1] == "index" {
		id = simreg.IndexFile(args[0])
	}
	w.reg.Inject(id, f)
}

func (w *scriptWorld) publish(ts *testscript.TestScript, text string) {
	versions, err := simreg.Parse(text)
	ts.Check(err)
	w.reg.Add(versions...)
}

func (w *scriptWorld) lockfile(ts *testscript.TestScript, args []string) {
	text := "version = 4\n"
	for _, arg := range args[1:] {
		name, version, _ := strings.Cut(arg, "@")
		sum, err := w.reg.Checksum(crate.ID{Name: name, Version: version})
		ts.Check(err)
		text += fmt.Sprintf("\n[[package]]\nname = %q\nversion = %q\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"%s\"\n", name, version, sum)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func (w *scriptWorld) wantRequests(ts *testscript.TestScript, want string) {
	total := w.reg.TotalRequests()
	if got := strconv.Itoa(total - w.seen); got != want {
		ts.Fatalf("%s requests, want %s", got, want)
	}
	w.seen = total
}

func wantCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s exited %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

func hold(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	lock, err := durable.Lock(path, durable.Self("the other one"))
	ts.Check(err)
	ts.Defer(func() { lock.Release() })
}

func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(append(args, "PORT")[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// getURL prints the answer of a server, which may not listen yet. With a text, it asks until
// the answer has the text.
func getURL(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(deadline) {
			continue
		}
		ts.Check(err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ts.Check(err)
		if wanted := len(args) < 2 || bytes.Contains(body, []byte(args[1])); wanted || time.Now().After(deadline) {
			_, err = ts.Stdout().Write(body)
			ts.Check(err)
			if !wanted {
				ts.Fatalf("after 10 s there is no %q", args[1])
			}
			return
		}
	}
}

func port(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("PORT", fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
}
