//go:build linux

// Benchserve compares clonecratesio serve with nginx, both on loopback and by
// turns, on the same index files and the same crates: nginx has the tree of
// clonecratesio export, serve has crates loose and in bundles. It needs git,
// nginx and wrk; -clonecratesio is the program, built.
//
//	go build -o /some/where/ ./cmd/clonecratesio
//	go run ./scripts/benchserve -clonecratesio /some/where/clonecratesio
//
// Rounds go by turns so that what else the machine does hits all alike; the
// ratios of the medians are what counts.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

var (
	program  = flag.String("clonecratesio", "clonecratesio", "the `PROGRAM`")
	versions = flag.Int("versions", 5000, "in the registry")
	median   = flag.Int("median", 4700, "`BYTES` of a crate file")
	rounds   = flag.Int("rounds", 5, "of each measurement")
	duration = flag.Duration("duration", 3*time.Second, "of a round")
	conns    = flag.Int("conns", 64, "connections of wrk")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	dir, err := os.MkdirTemp("", "benchserve-")
	if err == nil {
		err = bench(context.Background(), dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		log.Print(err)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// contest is one thing to ask for of one server.
type contest struct {
	name, url string
	paths     []string
	results   []float64 // requests a second, by round
}

func bench(ctx context.Context, dir string) error {
	reg := simreg.Generate(*versions, *median, 1)
	var indexPaths, cratePaths []string
	for _, id := range reg.IDs() {
		indexPaths = append(indexPaths, "/index/"+crate.IndexPath(id.Name))
		cratePaths = append(cratePaths, "/crates/"+id.URLPath())
	}
	indexPaths = slices.Compact(indexPaths)
	loose, err := mirror(ctx, reg, filepath.Join(dir, "loose"))
	if err != nil {
		return err
	}
	bundled, err := mirror(ctx, reg, filepath.Join(dir, "bundled"), "-bundle")
	if err != nil {
		return err
	}
	if err := export(ctx, loose, filepath.Join(dir, "static")); err != nil {
		return err
	}
	var contests []*contest
	for _, s := range []struct {
		name  string
		start func() (string, func(), error)
	}{
		{"nginx", func() (string, func(), error) { return nginx(dir) }},
		{"loose", func() (string, func(), error) { return serve(loose) }},
		{"bundled", func() (string, func(), error) { return serve(bundled) }},
	} {
		url, stop, err := s.start()
		if err != nil {
			return fmt.Errorf("starting %s: %w", s.name, err)
		}
		defer stop()
		contests = append(contests,
			&contest{name: "index " + s.name, url: url, paths: indexPaths},
			&contest{name: "crates " + s.name, url: url, paths: cratePaths})
	}
	for round := range *rounds + 1 { // the first warms up
		for _, c := range contests {
			n, err := c.run(dir)
			if err != nil {
				return fmt.Errorf("asking for %s: %w", c.name, err)
			}
			if round > 0 {
				c.results = append(c.results, n)
			}
		}
	}
	report(contests)
	return nil
}

func report(contests []*contest) {
	median := map[string]float64{}
	for _, c := range contests {
		slices.Sort(c.results)
		median[c.name] = c.results[len(c.results)/2]
		fmt.Printf("%-16s %8.0f requests/s (%.0f to %.0f)\n", c.name, median[c.name], c.results[0], c.results[len(c.results)-1])
	}
	for _, r := range [][2]string{{"index loose", "index nginx"}, {"index bundled", "index nginx"}, {"crates bundled", "crates loose"}, {"crates loose", "crates nginx"}} {
		fmt.Printf("%s / %s: %.2f\n", r[0], r[1], median[r[0]]/median[r[1]])
	}
}

// mirror makes a mirror in dir with the program.
func mirror(ctx context.Context, reg *simreg.Registry, dir string, more ...string) (string, error) {
	if _, err := reg.CommitIndex(ctx, filepath.Join(dir, "crates.io-index.git"), "Bench"); err != nil {
		return "", err
	}
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		return "", err
	}
	defer server.Close()
	cmd := exec.CommandContext(ctx, *program, append([]string{"download",
		"-index-dir", filepath.Join(dir, "crates.io-index.git"), "-out", filepath.Join(dir, "crates"),
		"-bundles-out", filepath.Join(dir, "bundles"), "-manifest", filepath.Join(dir, "manifest.jsonl"),
		"-crates-base-url", server.BaseURL, "-include-yanked", "-listen", ""}, more...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("mirroring: %w\n%s", err, out)
	}
	return dir, nil
}

// export makes the tree for nginx.
func export(ctx context.Context, mirror, dir string) error {
	out, err := exec.CommandContext(ctx, *program, "export", "-mirror", mirror, "-index-dir", filepath.Join(mirror, "crates.io-index.git"),
		"-static", dir, "-public-url", "http://localhost").CombinedOutput()
	if err != nil {
		return fmt.Errorf("exporting: %w\n%s", err, out)
	}
	return nil
}

// serve starts the program on a mirror.
func serve(dir string) (url string, stop func(), err error) {
	cmd := exec.Command(*program, "serve", "-mirror", dir, "-index-dir", filepath.Join(dir, "crates.io-index.git"),
		"-listen", "127.0.0.1:0", "-admin-listen", "", "-log-level", "error")
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
			return strings.TrimSuffix(rest, `/index/"`), stopping(cmd), nil
		}
	}
	return "", nil, fmt.Errorf("%s serve has printed no address", *program)
}

const nginxConf = `
%[3]s daemon off; worker_processes 2; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type text/plain;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server { listen 127.0.0.1:%[2]d; root %[1]s/static; }
}
`

func nginx(dir string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	user := ""
	if os.Geteuid() == 0 { // its workers would be nobody's, and read nothing here
		user = "user root;"
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port, user), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.Command("nginx", "-c", conf, "-e", filepath.Join(dir, "error.log"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	url = fmt.Sprintf("127.0.0.1:%d", port)
	for range 50 {
		if c, err := net.Dial("tcp", url); err == nil {
			return "http://" + url, stopping(cmd), c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", nil, fmt.Errorf("nginx does not listen at %s", url)
}

func stopping(cmd *exec.Cmd) func() {
	return func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			log.Print(err)
		}
		if err := cmd.Wait(); err != nil {
			log.Printf("ending %s: %v", cmd.Args[0], err)
		}
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			fmt.Printf("%s took %s of CPU and %d MB at most\n", filepath.Base(cmd.Args[0]), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), usage.Maxrss>>10)
		}
	}
}

// script has each connection ask for one path after the other.
const script = `
local paths, n = {}, 0
init = function()
	for line in io.lines(%q) do paths[#paths + 1] = wrk.format("GET", line) end
end
request = function() n = n %% #paths + 1 return paths[n] end
`

var (
	rate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	failed = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

// run is one round of wrk; it returns requests a second.
func (c *contest) run(dir string) (float64, error) {
	list, lua := filepath.Join(dir, "paths"), filepath.Join(dir, "paths.lua")
	if err := os.WriteFile(list, []byte(strings.Join(c.paths, "\n")+"\n"), 0o600); err != nil {
		return 0, err
	}
	if err := os.WriteFile(lua, fmt.Appendf(nil, script, list), 0o600); err != nil {
		return 0, err
	}
	var stdout strings.Builder
	cmd := exec.Command("wrk", "-t", "1", "-c", strconv.Itoa(*conns), "-d", fmt.Sprintf("%ds", int(duration.Seconds())), "-s", lua, c.url)
	cmd.Stdout, cmd.Stderr = io.Writer(&stdout), os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	if bad := failed.FindString(stdout.String()); bad != "" {
		return 0, fmt.Errorf("%s", bad)
	}
	found := rate.FindStringSubmatch(stdout.String())
	if found == nil {
		return 0, fmt.Errorf("wrk says: %s", &stdout)
	}
	return strconv.ParseFloat(found[1], 64)
}
