// Weigh prints what the code of the program takes, by module: the machine code of its
// functions, which is about half of a stripped file. The tables that go with it (lines for
// stack traces, types) are for each module about as long.
//
//	go run ./scripts/weigh
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// less is what a module must take to have a line of its own.
const less = 100_000

func main() {
	log.SetFlags(0)
	pkg := flag.String("package", "./cmd/clonecratesio", "of the program")
	byPackage := flag.Bool("packages", false, "tell of packages, not modules")
	flag.Parse()
	sizes, err := weigh(*pkg, *byPackage)
	if err != nil {
		log.Fatal(err)
	}
	all := 0
	for _, n := range sizes {
		all += n
	}
	fmt.Printf("| | code, MB | of all |\n|---|---|---|\n| all | %.2f | |\n", float64(all)/1e6)
	rest := 0
	for _, name := range slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Or(sizes[b]-sizes[a], strings.Compare(a, b)) }) {
		if n := sizes[name]; n >= less {
			fmt.Printf("| %s | %.2f | %.1f %% |\n", name, float64(n)/1e6, float64(n)/float64(all)*100)
		} else {
			rest += n
		}
	}
	fmt.Printf("| others, each below %.1f | %.2f | %.1f %% |\n", less/1e6, float64(rest)/1e6, float64(rest)/float64(all)*100)
}

// weigh returns the bytes of machine code by module.
func weigh(pkg string, byPackage bool) (map[string]int, error) {
	dir, err := os.MkdirTemp("", "weigh-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", "-o", file, pkg).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building: %w\n%s", err, out)
	}
	modules, err := modulesOf(pkg)
	if err != nil {
		return nil, err
	}
	symbols, err := exec.Command("go", "tool", "nm", "-size", file).Output()
	if err != nil {
		return nil, fmt.Errorf("listing symbols: %w", err)
	}
	sizes := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(symbols))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() { // address, size, kind, name
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[2] != "T" && fields[2] != "t" {
			continue
		}
		size, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		name := packageOf(fields[3])
		if !byPackage {
			name = cmp.Or(modules[name], "the standard library")
		}
		sizes[name] += size
	}
	return sizes, lines.Err()
}

// modulesOf tells the modules of the packages that pkg needs. Those of the standard
// library have none.
func modulesOf(pkg string) (map[string]string, error) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{with .Module}}{{.Path}}{{end}}", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	modules := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		modules[name] = module
	}
	return modules, nil
}

// packageOf is the package that a symbol belongs to: what is before the first dot behind
// the last slash, dots before it are escaped. An instance of something generic belongs to
// what is before its arguments.
func packageOf(symbol string) string {
	symbol = strings.TrimPrefix(symbol, "type:.eq.")
	symbol, _, _ = strings.Cut(symbol, "[")
	slash := strings.LastIndex(symbol, "/") + 1
	name, _, _ := strings.Cut(symbol[slash:], ".")
	return strings.ReplaceAll(symbol[:slash]+name, "%2e", ".")
}
