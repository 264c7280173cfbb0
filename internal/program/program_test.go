package program

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// C2: whatever a signal interrupts, the exit code names the signal.
func TestC2WhoeverMeetsTheSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals cannot be sent on Windows")
	}
	asking := func() *cli.Command {
		return &cli.Command{Name: "asking", Action: func(ctx context.Context, _ *cli.Command) error {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Signal(syscall.SIGTERM)
			}
			if err != nil {
				return err
			}
			<-ctx.Done()
			return fmt.Errorf("asking the catalog: %w", ctx.Err())
		}}
	}
	var stderr bytes.Buffer
	app := &App{Stdout: new(bytes.Buffer), Stderr: &stderr}
	if code := app.Run(asking, []string{"asking"}); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	for _, want := range []string{"asking: stopped by terminated\n", "asking: asking the catalog: context canceled\n", "nothing is lost"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr has no %q: %s", want, stderr.String())
		}
	}
}

// B5: a log of JSON is JSON to the last word, however the run ends.
func TestB5JSONToTheLastWord(t *testing.T) {
	failing := func() *cli.Command {
		return &cli.Command{
			Name:  "failing",
			Flags: []cli.Flag{&cli.StringFlag{Name: "log-format"}},
			Action: func(context.Context, *cli.Command) error {
				return fmt.Errorf("writing x: %w\nand y", durable.ErrNoSpace)
			},
		}
	}
	var stderr bytes.Buffer
	app := &App{Stdout: new(bytes.Buffer), Stderr: &stderr}
	if code := app.Run(failing, []string{"failing", "-log-format", "JSON"}); code != ExitNoSpace {
		t.Errorf("exit code %d, want %d", code, ExitNoSpace)
	}
	var line struct {
		Level, Err, Hint string
		Code             int `json:"exit_code"`
	}
	if err := json.Unmarshal(stderr.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if line.Level != "ERROR" || line.Code != ExitNoSpace || !strings.HasPrefix(line.Err, "writing x: ") || !strings.HasPrefix(line.Hint, "free some space") {
		t.Errorf("%+v", line)
	}
}
