// Testtime prints the processor time that tests take, in seconds, the most expensive first:
//
//	go run ./scripts/testtime [PACKAGE...]         each package, ./... by default
//	go run ./scripts/testtime -each PACKAGE        each test of one, and each script
//
// It counts the time of a test binary and of all programs that it starts and waits for. Unlike
// elapsed time, this is about the same on a busy machine.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// results is the environment variable that names the file to which each run of a test binary
// adds a line. "go test -exec" runs this program.
const results = "TESTTIME_RESULTS"

func main() {
	each := flag.Bool("each", false, "each test of one package, alone")
	flag.Parse()
	var err error
	switch file := os.Getenv(results); {
	case file != "":
		err = measure(file, os.Args[1:])
	case *each:
		err = tests(flag.Arg(0))
	default:
		err = packages(flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testtime:", err)
		os.Exit(1)
	}
}

// measure runs a test binary and adds its cost to the results.
func measure(file string, args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	c, runErr := run(dir, args)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %d %s\n", c.processor, c.wall, dir)
	return errors.Join(runErr, err, f.Close())
}

// A cost is the cost of a test or package.
type cost struct {
	name            string
	processor, wall time.Duration
}

// run runs a test binary in the folder of its package.
func run(dir string, args []string) (c cost, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stderr, os.Stderr
	begun := time.Now()
	err = cmd.Run()
	c.wall = time.Since(begun)
	if cmd.ProcessState != nil {
		c.processor = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return c, err
}

func packages(patterns []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "testtime-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "results")
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	cmd := exec.Command("go", append([]string{"test", "-count=1", "-exec", self}, patterns...)...)
	cmd.Env = append(os.Environ(), results+"="+file)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	testErr := cmd.Run()
	data, err := os.ReadFile(file)
	if err != nil {
		return errors.Join(testErr, err)
	}
	var costs []cost
	for line := range strings.Lines(string(data)) {
		var c cost
		if _, err := fmt.Sscanf(line, "%d %d %s", &c.processor, &c.wall, &c.name); err != nil {
			return errors.Join(testErr, err)
		}
		costs = append(costs, c)
	}
	return errors.Join(testErr, table(costs))
}

func tests(pkg string) error {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		return fmt.Errorf("finding %s: %w", pkg, err)
	}
	folder, err := os.MkdirTemp("", "testtime-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	binary, home := filepath.Join(folder, "tests.exe"), strings.TrimSpace(string(dir))
	build := exec.Command("go", "test", "-c", "-o", binary, pkg)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the tests of %s: %w", pkg, err)
	}
	list, err := exec.Command(binary, "-test.list", "^Test").Output()
	if err != nil {
		return fmt.Errorf("listing the tests of %s: %w", pkg, err)
	}
	scripts, _ := filepath.Glob(filepath.Join(home, "testdata", "script", "*.txtar"))
	var names []string
	for name := range strings.FieldsSeq(string(list)) {
		names = append(names, "^"+name+"$")
	}
	if i := slices.Index(names, "^TestScripts$"); i >= 0 {
		names = slices.Delete(names, i, i+1)
		for _, s := range scripts {
			names = append(names, "^TestScripts$/^"+strings.TrimSuffix(filepath.Base(s), ".txtar")+"$")
		}
	}
	var costs []cost
	for _, name := range names {
		c, err := run(home, []string{binary, "-test.run", name})
		if err != nil {
			return fmt.Errorf("running %s: %w", name, err)
		}
		c.name = strings.NewReplacer("^", "", "$", "").Replace(name)
		costs = append(costs, c)
	}
	return table(costs)
}

func table(costs []cost) error {
	slices.SortFunc(costs, func(a, b cost) int { return cmp.Compare(b.processor, a.processor) })
	var all cost
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "processor\twall\t  of")
	for _, c := range costs {
		all.processor, all.wall = all.processor+c.processor, all.wall+c.wall
		fmt.Fprintf(out, "%.1f s\t%.1f s\t  %s\n", c.processor.Seconds(), c.wall.Seconds(), c.name)
	}
	fmt.Fprintf(out, "%.1f s\t\t  all\n", all.processor.Seconds())
	return out.Flush()
}
