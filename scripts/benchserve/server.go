//go:build linux

package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a running server.
type server struct {
	name string
	url  string
	cmd  *exec.Cmd
}

// serve starts our program on a mirror.
func serve(name, dir string, more ...string) (*server, error) {
	cmd := exec.Command(*program, append([]string{"serve", "-mirror", dir, "-index-dir", filepath.Join(dir, "crates.io-index.git"),
		"-listen", "127.0.0.1:0", "-admin-listen", "", "-log-level", "error"}, more...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), `index = "sparse+`); ok {
			return &server{name, strings.TrimSuffix(rest, `/index/"`), cmd}, nil
		}
	}
	return nil, fmt.Errorf("%s serve has printed no address", *program)
}

const nginxConf = `
%[3]s daemon off; worker_processes 2; pid %[1]s.nginx/pid; error_log %[1]s.nginx/error.log;
events { worker_connections 1024; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type text/plain;
	client_body_temp_path %[1]s.nginx/t1; proxy_temp_path %[1]s.nginx/t2; fastcgi_temp_path %[1]s.nginx/t3; uwsgi_temp_path %[1]s.nginx/t4; scgi_temp_path %[1]s.nginx/t5;
	server { listen 127.0.0.1:%[2]d%[4]s; root %[1]s; }
}
`

// nginx starts nginx on a folder; if secure, with the key pair of benchCargo.
func nginx(root string, secure bool) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	user, tls, scheme := "", "", "http"
	if os.Geteuid() == 0 { // otherwise its workers change to another user, who cannot read these files
		user = "user root;"
	}
	if secure {
		scheme, tls = "https", fmt.Sprintf(" ssl http2; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem", filepath.Dir(root))
	}
	conf := root + ".nginx/nginx.conf"
	if err := os.MkdirAll(filepath.Dir(conf), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, root, port, user, tls), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("nginx", "-c", conf, "-e", root+".nginx/error.log")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	return &server{"nginx", scheme + "://" + address, cmd}, awaitListener(address)
}

// awaitListener waits until a server listens.
func awaitListener(address string) error {
	for range 500 {
		if c, err := net.Dial("tcp", address); err == nil {
			return c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("nothing listens at %s", address)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (s *server) stop() {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		log.Print(err)
	}
	if err := s.cmd.Wait(); err != nil {
		log.Printf("ending %s: %v", s.cmd.Args[0], err)
	}
}

// cpu returns the processor time that the server and its children have used.
func (s *server) cpu() (all time.Duration, err error) {
	pid := s.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	for _, p := range append(strings.Fields(string(children)), strconv.Itoa(pid)) {
		own, err := cpuOf(p)
		if err != nil {
			return 0, err
		}
		all += own
	}
	return all, nil
}

// cpuOf adds up the processor time of a process's threads, in nanoseconds; /proc/PID/stat has
// only hundredths of a second.
func cpuOf(pid string) (all time.Duration, err error) {
	threads, err := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
	if err != nil {
		return 0, err
	}
	for _, t := range threads {
		data, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		own, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", t, err)
		}
		all += time.Duration(own)
	}
	return all, nil
}
