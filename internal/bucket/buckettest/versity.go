package buckettest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Credentials of the server that StartVersity starts.
const (
	AccessKey = "test-access-key"
	SecretKey = "test-secret-key-that-nobody-may-read"
)

const versityBucket = "test-bucket"

// A Versity is a real S3 server, versitygw, that keeps objects as files in a folder.
type Versity struct {
	Endpoint string // such as http://127.0.0.1:17070
	Dir      string // stores its objects as files

	root, program string
	sidecar       bool
	cmd           *exec.Cmd
}

// StartVersity starts a server with one empty bucket, for the test, and sets the
// environment so that [Versity.Address] works. It skips the test if it finds no versitygw:
// $VERSITYGW, or the PATH, or ~/go/bin, where
//
//	go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
//
// installs it.
func StartVersity(t testing.TB) *Versity { return startVersity(t, false) }

// StartTornVersity is StartVersity with tags in separate files (--sidecar), so that the
// server returns the bytes of one state with the tag of another: a real server that loses
// updates.
func StartTornVersity(t testing.TB) *Versity { return startVersity(t, true) }

func startVersity(t testing.TB, sidecar bool) *Versity {
	t.Helper()
	v := &Versity{program: findVersity(t), root: t.TempDir(), sidecar: sidecar}
	v.Dir = filepath.Join(v.root, "objects", versityBucket)
	if err := os.MkdirAll(v.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, pair := range Env() {
		t.Setenv(pair[0], pair[1])
	}
	v.Endpoint = "http://" + freeAddress(t)
	v.Start(t)
	t.Cleanup(func() { v.Kill() })
	return v
}

// Env returns the environment with the server's credentials and no others, as pairs of name
// and value.
func Env() [][2]string {
	return [][2]string{
		{"AWS_ACCESS_KEY_ID", AccessKey},
		{"AWS_SECRET_ACCESS_KEY", SecretKey},
		{"AWS_SESSION_TOKEN", ""},
		{"AWS_REGION", "us-east-1"},
		{"AWS_PROFILE", ""},
		{"AWS_CONFIG_FILE", os.DevNull},
		{"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
		{"AWS_EC2_METADATA_DISABLED", "true"},
	}
}

func findVersity(t testing.TB) string {
	t.Helper()
	if program := os.Getenv("VERSITYGW"); program != "" {
		return program
	}
	if program, err := exec.LookPath("versitygw"); err == nil {
		return program
	}
	home, err := os.UserHomeDir()
	if program := filepath.Join(home, "go", "bin", "versitygw"); err == nil {
		if _, err := os.Stat(program); err == nil {
			return program
		}
	}
	t.Skip("there is no versitygw: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	return ""
}

// freeAddress returns an address on which nothing listens. If another process takes it
// first, the server fails with an error.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Address returns the address of the bucket, with a prefix, which may be empty.
func (v *Versity) Address(prefix string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s&region=us-east-1", versityBucket, prefix, v.Endpoint)
}

// Start starts the server again after Kill.
func (v *Versity) Start(t testing.TB) {
	t.Helper()
	address := v.Endpoint[len("http://"):]
	args := []string{"--port", address, "--region", "us-east-1", "--quiet", "posix"}
	if v.sidecar {
		args = append(args, "--sidecar", t.TempDir())
	}
	v.cmd = exec.Command(v.program, append(args, filepath.Join(v.root, "objects"))...)
	v.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const patience, pause = 10 * time.Second, 10 * time.Millisecond
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("versitygw does not listen at %s: %v", address, err)
		}
	}
}

// Kill ends the server as kill -9 does.
func (v *Versity) Kill() {
	if v.cmd != nil {
		_ = v.cmd.Process.Kill() // it may have exited already
		_ = v.cmd.Wait()
		v.cmd = nil
	}
}
