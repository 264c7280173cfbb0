package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// child is a run of the program.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   fmt.Stringer // for reading once it has ended
	ended chan struct{}
}

func begin(t *testing.T, cmd *exec.Cmd, out fmt.Stringer) *child {
	t.Helper()
	must(t, cmd.Start())
	c := &child{t, cmd, out, make(chan struct{})}
	go func() {
		defer close(c.ended)
		cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(c.kill)
	return c
}

// tell starts another command of the program.
func (m *mirrored) tell(command string, args ...string) *child {
	m.t.Helper()
	cmd := exec.Command("clonecratesio", append([]string{command}, args...)...)
	cmd.Env = append(os.Environ(), smallBundles)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return begin(m.t, cmd, out)
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.ended
}

// said returns the end of the program's output.
func (c *child) said() string {
	const most = 3000
	text := c.out.String()
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}

// code waits for the end of the run and returns its exit code, -1 if a signal ended it. After
// limit it kills the run and fails the test.
func (c *child) code(limit time.Duration) int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(limit):
		c.kill()
		c.t.Errorf("the program did not end within %v\n%s", limit, c.said())
	}
	return c.cmd.ProcessState.ExitCode()
}

// patience is for runs that end by themselves in a second or two.
const patience = time.Minute

func (c *child) want(code int, texts ...string) {
	c.t.Helper()
	if got := c.code(patience); got != code {
		c.t.Errorf("exit code %d, want %d\n%s", got, code, c.said())
	}
	c.says(texts...)
}

// says fails the test if the program, which has ended, has not printed all of texts, or has
// crashed.
func (c *child) says(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(c.out.String(), text) {
			c.t.Errorf("nothing is said of %q:\n%s", text, c.said())
		}
	}
	if strings.Contains(c.out.String(), "goroutine ") {
		c.t.Errorf("it crashed:\n%s", c.said())
	}
}

var acceptByHand = regexp.MustCompile(`clonecratesio accept (\S+) (\S+)`)

// refused returns the versions that the program, which has ended, said must be
// accepted by hand.
func (c *child) refused() (ids []crate.ID) {
	for _, match := range acceptByHand.FindAllStringSubmatch(c.out.String(), -1) {
		if id := (crate.ID{Name: match[1], Version: match[2]}); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
