package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Releases of cargo 1.x.
const (
	sparseSince = 68 // sparse registries, by default from 70 on
	infoSince   = 82 // cargo info
)

// cargo is the installed cargo, with its own home and projects.
type cargo struct {
	dir     string
	env     []string
	release int // 82 for 1.82.0
}

var versionOf = regexp.MustCompile(`^cargo 1\.(\d+)\.`)

// CargoRelease returns the release of the cargo in PATH, 82 for 1.82.0, and its version
// text. Errors: exec.ErrNotFound.
func CargoRelease(ctx context.Context) (release int, text string, err error) {
	out, err := exec.CommandContext(ctx, "cargo", "--version").Output()
	text = strings.TrimSpace(string(out))
	if err != nil {
		return 0, text, fmt.Errorf("running cargo: %w", err)
	}
	found := versionOf.FindStringSubmatch(text)
	if found == nil {
		return 0, text, fmt.Errorf("cargo says %q of itself, which is no version that is known", text)
	}
	release, err = strconv.Atoi(found[1])
	return release, text, err
}

// CanUseSparse reports whether a release of cargo reads a sparse registry.
func CanUseSparse(release int) bool { return release >= sparseSince }

// findCargo finds the cargo to use, and makes a folder for it.
func (x *exam) findCargo(ctx context.Context) {
	release, text, err := CargoRelease(ctx)
	const advice = "install a current one: https://rustup.rs"
	switch {
	case errors.Is(err, exec.ErrNotFound):
		x.fail("cargo", "there is no cargo here; the registry is looked at without it", advice)
		return
	case err != nil:
		x.fail("cargo", err.Error(), advice)
		return
	case !CanUseSparse(release):
		x.fail("cargo", fmt.Sprintf("%s cannot use a sparse registry: that came with 1.%d", text, sparseSince), advice)
		return
	}
	c := &cargo{release: release}
	if c.dir, err = os.MkdirTemp("", "clonecratesio-doctor-"); err == nil {
		err = c.write("home/config.toml", x.CargoConfig)
	}
	if err != nil {
		x.fail("cargo", err.Error(), "make room for temporary files (TMPDIR)")
		return
	}
	c.env = x.environment(c.dir)
	x.cargo = c
	x.ok("cargo", text)
}

// environment returns the user's environment without variables that would redirect cargo.
func (x *exam) environment(dir string) (env []string) {
	for _, kv := range os.Environ() {
		key, _, _ := strings.Cut(strings.ToUpper(kv), "=")
		network := strings.HasPrefix(key, "CARGO_HTTP_") || strings.HasPrefix(key, "CARGO_NET_")
		if strings.HasPrefix(key, "CARGO") && (!network || x.NoProxy && key == "CARGO_HTTP_PROXY") || x.NoProxy && strings.HasSuffix(key, "_PROXY") {
			continue
		}
		env = append(env, kv)
	}
	if x.CAFile != "" {
		env = append(env, "CARGO_HTTP_CAINFO="+x.CAFile)
	}
	return append(env, "CARGO_HOME="+filepath.Join(dir, "home"), "CARGO_TARGET_DIR="+filepath.Join(dir, "target"), "CARGO_TERM_COLOR=never")
}

func (c *cargo) write(name, text string) error {
	name = filepath.Join(c.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// project makes a package with dependencies.
func (c *cargo) project(name string, deps ...string) error {
	manifest := fmt.Sprintf("[package]\nname = %q\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n%s\n", name, strings.Join(deps, "\n"))
	return errors.Join(c.write(name+"/Cargo.toml", manifest), c.write(name+"/src/lib.rs", ""))
}

// run runs cargo in a project and returns its output.
func (c *cargo) run(ctx context.Context, project string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "cargo", args...)
	cmd.Dir = filepath.Join(c.dir, project)
	cmd.Env = c.env
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// requirement requires exactly one version, as far as cargo can: it ignores build metadata.
func requirement(e *index.Entry) string {
	version, _, _ := strings.Cut(e.Version, "+")
	return fmt.Sprintf("%s = \"=%s\"", e.Name, version)
}

// runCargo runs what users run.
func (x *exam) runCargo(ctx context.Context) error {
	for _, check := range []func(context.Context) error{x.cargoFetch, x.cargoPlus, x.cargoYanked, x.cargoSearch} {
		if err := check(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// cargoFetch resolves and fetches the dependencies of two crates, and updates.
func (x *exam) cargoFetch(ctx context.Context) error {
	var deps, names []string
	for _, e := range []*index.Entry{x.picks.plain, x.picks.deep} {
		if e != nil {
			deps, names = append(deps, requirement(e)), append(names, e.ID.String())
		}
	}
	if deps == nil {
		x.skip("fetch", "there is no version that is neither yanked nor a pre-release among the crates looked at")
		return nil
	}
	if err := x.cargo.project("zz-fetch", deps...); err != nil {
		return err
	}
	if out, err := x.cargo.run(ctx, "zz-fetch", "fetch"); err != nil {
		x.cargoFailed("fetch", "cargo cannot fetch "+strings.Join(names, " and "), out, err)
		return nil
	}
	x.ok("fetch", "cargo resolves and fetches "+strings.Join(names, " and ")+" with what they need")
	if out, err := x.cargo.run(ctx, "zz-fetch", "update"); err != nil {
		x.cargoFailed("update", "cargo cannot update", out, err)
		return nil
	}
	x.ok("update", "cargo updates")
	return nil
}

// cargoPlus fetches a version with build metadata, whose "+" cargo sends unescaped.
func (x *exam) cargoPlus(ctx context.Context) error {
	e := x.picks.plus
	if e == nil {
		x.skip("plus", `no version with a "+" among the crates looked at`)
		return nil
	}
	if err := x.cargo.project("zz-plus", requirement(e)); err != nil {
		return err
	}
	if out, err := x.cargo.run(ctx, "zz-plus", "fetch"); err != nil {
		x.cargoFailed("plus", "cargo cannot fetch "+e.ID.String(), out, err)
		return nil
	}
	x.ok("plus", "cargo fetches "+e.ID.String())
	return nil
}

// cargoYanked fetches a yanked version for a project that has it in Cargo.lock.
func (x *exam) cargoYanked(ctx context.Context) error {
	e := x.picks.yanked
	if e == nil {
		x.skip("yanked", "no yanked version without dependencies among the crates looked at; a mirror made without yanked versions has none")
		return nil
	}
	lock := fmt.Sprintf("version = 3\n\n[[package]]\nname = %q\nversion = %q\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = %q\n\n"+
		"[[package]]\nname = \"zz-locked\"\nversion = \"0.0.0\"\ndependencies = [\n %q,\n]\n", e.Name, e.Version, e.Checksum, e.Name)
	err := errors.Join(x.cargo.project("zz-locked", requirement(e)), x.cargo.write("zz-locked/Cargo.lock", lock))
	if err != nil {
		return err
	}
	if out, err := x.cargo.run(ctx, "zz-locked", "fetch", "--locked"); err != nil {
		x.cargoFailed("yanked", fmt.Sprintf("cargo cannot fetch %s, which is yanked, from a lock file", e.ID), out, err)
		return nil
	}
	x.ok("yanked", fmt.Sprintf("cargo fetches %s, which is yanked, from a lock file", e.ID))
	return nil
}

// cargoSearch searches, and shows a crate.
func (x *exam) cargoSearch(ctx context.Context) error {
	if x.api == "" {
		x.skip("search", "the registry has no api")
		return nil
	}
	e := x.picks.any()
	out, err := x.cargo.run(ctx, "", "search", "--registry", "mirror", "--limit", "1", e.Name)
	if err == nil && !strings.HasPrefix(out, e.Name+" = ") && !strings.Contains(out, "\n"+e.Name+" = ") {
		err = errors.New("the search does not find it")
	}
	if err != nil {
		x.cargoFailed("search", "cargo search "+e.Name, out, err)
		return nil
	}
	x.ok("search", "cargo search finds "+e.Name)
	if x.cargo.release < infoSince {
		return nil
	}
	if out, err := x.cargo.run(ctx, "", "info", "--registry", "mirror", e.Name+"@"+e.Version); err != nil {
		x.cargoFailed("info", "cargo info "+e.Name, out, err)
		return nil
	}
	x.ok("info", "cargo info shows "+e.Name)
	return nil
}

// cargoFailed reports cargo's error. A mirror of a part of crates.io may lack a dependency,
// which is not a failure.
func (x *exam) cargoFailed(check, what, out string, err error) {
	text := what + ": " + lastWords(out, err)
	lacks := strings.Contains(out, "no matching package") || strings.Contains(out, "failed to select a version")
	switch {
	case errors.Is(err, context.Canceled):
	case lacks && check != "yanked":
		x.warn(check, text, "the mirror holds a part of crates.io, and not all that this crate needs: if it should, clonecratesio sync says what is missing")
	case strings.Contains(out, "SSL") || strings.Contains(out, "certificate"):
		x.fail(check, text, "cargo trusts other authorities than this program: set CARGO_HTTP_CAINFO, here -cainfo")
	case strings.Contains(out, "checksum"):
		x.fail(check, text, "clonecratesio verify says whether the mirror is damaged; if not, a cache in front of it mixes up files")
	default:
		x.fail(check, text, "")
	}
}

// lastWords returns the end of cargo's output, where it prints the causes.
func lastWords(out string, err error) string {
	var kept []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "Updating") || strings.HasPrefix(line, "Downloading") || strings.HasPrefix(line, "Caused by") {
			continue
		}
		kept = append(kept, line)
	}
	if len(kept) == 0 {
		return err.Error()
	}
	return strings.Join(kept[max(0, len(kept)-4):], "; ")
}
