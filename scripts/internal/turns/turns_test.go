//go:build linux

package turns

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	runs := func(wall, cpu time.Duration) []Cost {
		return []Cost{{wall * 3, cpu, 7 << 40}, {wall, cpu, 7 << 40}, {wall * 2, cpu * 2, 7 << 40}}
	}
	rows := []*Row{{Name: "copy", Per: 1000, Ways: []*Way{
		{Name: "cp", costs: runs(time.Second, 100*time.Millisecond)},
		{Name: "ours", costs: runs(10*time.Second, 150*time.Millisecond)},
	}}}
	var out bytes.Buffer
	Table(&out, rows)
	for _, want := range []string{
		"| copy | cp | 2.000 s (1.000 s to 3.000 s) |  | 0.100 s |  | 7696581 MB | 100.0 µs |\n",
		"|  | ours | 20.0 s (10.0 s to 30.0 s) | 10.00 | 0.150 s | 1.50 | 7696581 MB | 150.0 µs |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// A burner is this test binary again; it takes processor time and memory.
func TestMain(m *testing.M) {
	if os.Getenv("TURNS_BURNS") != "" {
		for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestMeasure(t *testing.T) {
	var order []string
	way := func(name string) *Way {
		return &Way{
			Name:    name,
			Prepare: func() error { order = append(order, "prepare "+name); return nil },
			Run: func(c *Cost) error {
				order = append(order, name)
				burner := exec.Command(os.Args[0])
				burner.Env = append(os.Environ(), "TURNS_BURNS=1")
				return c.Add(burner)
			},
		}
	}
	row := &Row{Name: "burn", Ways: []*Way{way("a"), way("b")}}
	if err := row.Measure(t.TempDir(), 1); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, ", "), "prepare a, a, prepare b, b, prepare b, b, prepare a, a"; got != want {
		t.Errorf("ran %s, want %s", got, want)
	}
	for _, w := range row.Ways {
		if len(w.costs) != 1 || w.costs[0].CPU < time.Millisecond || w.costs[0].Wall < 50*time.Millisecond || w.costs[0].Peak < 1<<20 {
			t.Errorf("%s: costs %+v", w.Name, w.costs)
		}
	}
}

func TestCommandFails(t *testing.T) {
	row := &Row{Name: "fail", Ways: []*Way{{Name: "sh", Run: Shell(`echo "$1" >&2; exit 3`, "no space left")}}}
	if err := row.Measure(t.TempDir(), 1); err == nil || err.Error() != "fail, sh: sh: exit status 3\nno space left\n" {
		t.Error(err)
	}
}
