// Weigh prints what the program consists of: the parts of its file, and the machine code of
// its functions by module. What stack traces need (.gopclntab) is nearly as large as the code.
//
//	go run ./scripts/weigh            # by module
//	go run ./scripts/weigh -packages
//	go run ./scripts/weigh -nomethods # as if templates called no methods (nomethods.go)
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
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

// less is the least size of a module that gets its own line, in bytes.
const less = 100_000

var (
	pkg       = flag.String("package", "./cmd/clonecratesio", "of the program")
	byPackage = flag.Bool("packages", false, "list packages, not modules")
	nomethods = flag.Bool("nomethods", false, "as if templates called no methods")
)

// purposes are the purposes of modules.
var purposes = map[string]string{
	"the standard library":                         "",
	"github.com/APTlantis/Mirror-Rust-Crates":      "this project",
	"github.com/aws/aws-sdk-go-v2/service/s3":      "buckets; 11 of its 112 requests are made, all are linked",
	"github.com/aws/aws-sdk-go-v2/service/signin":  "credentials of AWS",
	"github.com/aws/aws-sdk-go-v2/service/sso":     "credentials of AWS",
	"github.com/aws/aws-sdk-go-v2/service/ssooidc": "credentials of AWS",
	"github.com/aws/aws-sdk-go-v2/service/sts":     "credentials of AWS",
	"github.com/aws/aws-sdk-go-v2/config":          "credentials of AWS",
	"github.com/aws/aws-sdk-go-v2":                 "buckets: signatures",
	"github.com/aws/smithy-go":                     "buckets: HTTP",
	"modernc.org/sqlite":                           "the catalog",
	"modernc.org/libc":                             "the catalog",
	"github.com/parquet-go/parquet-go":             "sidecars as Parquet",
	"github.com/klauspost/reedsolomon":             "parity of transfers, in five kinds of vector instructions",
	"github.com/klauspost/compress":                "Zstandard, gzip",
	"google.golang.org/protobuf":                   "what the metrics are described in",
	"github.com/prometheus/client_golang":          "metrics",
	"github.com/nats-io/nats.go":                   "work shared over NATS",
	"github.com/yuin/goldmark":                     "README files: Markdown",
	"github.com/microcosm-cc/bluemonday":           "README files: unsafe HTML",
	"github.com/go-json-experiment/json":           "JSON",
	"github.com/andybalholm/brotli":                "sidecars as Parquet: a compression that they can have",
	"github.com/urfave/cli/v3":                     "commands and flags",
	"github.com/pelletier/go-toml/v2":              "Cargo.toml, policies",
	"golang.org/x/crypto":                          "keys of SSH, signatures",
	"golang.org/x/net":                             "README files: HTML",
}

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() (err error) {
	dir, err := os.MkdirTemp("", "weigh-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "program")
	args := []string{"build", "-o", file}
	if *nomethods {
		overlay, err := withoutMethods(dir)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	build := exec.Command("go", append(args, *pkg)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as in a release
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w\n%s", err, out)
	}
	if err := printParts(file); err != nil {
		return err
	}
	sizes, err := weigh(file)
	if err != nil {
		return err
	}
	printSizes(sizes)
	return nil
}

// printParts prints the parts of the file that are loaded, which are those of a stripped one.
func printParts(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	parts := map[string]uint64{}
	all := uint64(0)
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS {
			parts[s.Name] = s.Size
			all += s.Size
		}
	}
	named := parts[".text"] + parts[".gopclntab"] + parts[".rodata"]
	fmt.Printf("Of a stripped file of %.1f MB, code is %.1f MB, what stack traces need %.1f, types and constants %.1f, data %.1f.\n\n",
		float64(all)/1e6, float64(parts[".text"])/1e6, float64(parts[".gopclntab"])/1e6, float64(parts[".rodata"])/1e6, float64(all-named)/1e6)
	return nil
}

func printSizes(sizes map[string]int) {
	all := 0
	for _, n := range sizes {
		all += n
	}
	fmt.Printf("| | code, MB | of all | what for |\n|---|---|---|---|\n| all | %.2f | | |\n", float64(all)/1e6)
	rest := 0
	for _, name := range slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Or(sizes[b]-sizes[a], strings.Compare(a, b)) }) {
		if n := sizes[name]; n >= less {
			fmt.Printf("| %s | %.2f | %.1f %% | %s |\n", name, float64(n)/1e6, float64(n)/float64(all)*100, purposes[name])
		} else {
			rest += n
		}
	}
	fmt.Printf("| others, each below %.1f | %.2f | %.1f %% | |\n", less/1e6, float64(rest)/1e6, float64(rest)/float64(all)*100)
}

// weigh returns the size of the machine code by module, in bytes.
func weigh(file string) (map[string]int, error) {
	modules, err := modulesOf(*pkg)
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
		if !*byPackage {
			name = cmp.Or(modules[name], "the standard library")
		}
		sizes[name] += size
	}
	return sizes, lines.Err()
}

// modulesOf returns the modules of the packages that pkg needs. Packages of the standard
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

// packageOf returns the package of a symbol: what is before the first dot after the last
// slash; dots before that are escaped. An instance of a generic function belongs to the
// package before its type arguments.
func packageOf(symbol string) string {
	symbol = strings.TrimPrefix(symbol, "type:.eq.")
	symbol, _, _ = strings.Cut(symbol, "[")
	slash := strings.LastIndex(symbol, "/") + 1
	name, _, _ := strings.Cut(symbol[slash:], ".")
	return strings.ReplaceAll(symbol[:slash]+name, "%2e", ".")
}
