package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// startUp is the processor time that a command that does next to nothing may take. It is
// some 15 ms, and the most of that is what packages prepare.
const startUp = 100 * time.Millisecond

// Commands that people wait for begin at once: nothing that a package prepares for its own
// use (tables, compiled expressions, keys) may come before each of them.
func TestStartUp(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector takes several times as long")
	}
	program := filepath.Join(t.TempDir(), "clonecratesio")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, program); err != nil {
		t.Skip(err)
	}
	mirror := t.TempDir()
	commands := [][]string{{"version"}, {"help"}, {"status", "-mirror", mirror, "-index-dir", mirror}}
	for _, c := range Root(&App{}).Commands {
		commands = append(commands, []string{c.Name, "-help"})
	}
	if len(commands) < 30 {
		t.Fatalf("only %d commands", len(commands))
	}
	for _, args := range commands {
		least := time.Hour
		for range 5 { // others use the machine as well
			cmd := exec.Command(program, args...)
			out, err := cmd.CombinedOutput()
			if err != nil && args[0] != "status" || len(out) == 0 {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			least = min(least, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			if least <= startUp {
				break
			}
		}
		t.Logf("%v: %v", args[0], least)
		if least > startUp {
			t.Errorf("%v takes %v of processor time, want %v at most", args, least, startUp)
		}
	}
}
