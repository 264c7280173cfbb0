// Package doctor finds out why cargo cannot use a registry, and says what to change. It
// sends the requests that cargo would send and checks the answers as cargo would, which
// gives reasons that cargo does not give. Then it lets the real cargo, with its own home in
// a temporary folder, do what users do: resolve, fetch, update, build from a lock file with
// a yanked version, search.
//
// It works on any sparse registry. The crates to try come from the caller, from the search
// of the registry's API or, without one, as in a static tree, from a few names that nearly
// every mirror has.
//
// For a bucket, it checks whether the provider keeps the promises that a mirror needs
// ([Store]).
//
// A check fails if cargo cannot do what it should. A warning is about something that cargo
// tolerates and the operator should know.
package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Status is the outcome of a check.
type Status int

const (
	OK Status = iota
	Warning
	Failed
	Skipped // nothing to check; Text says why
)

func (s Status) String() string { return [...]string{"ok", "warning", "FAIL", "skipped"}[s] }

// Result is the result of one check.
type Result struct {
	Check  string // one word
	Status Status
	Text   string
	Advice string // what to change, or empty
}

// Facts are known properties of a local mirror.
type Facts struct {
	Crates, Versions int64     // that cargo can get
	IndexTime        time.Time // of its index's commit; zero: unknown
	LastRun          string    // how the last run ended, unless it ended well
}

// Config configures [Run]. Only URL is required.
type Config struct {
	// URL is the root of the registry as serve and export print it, or cargo's name for the
	// index: "sparse+https://host/index/".
	URL string
	// Crates are tried first.
	Crates []string
	// Facts are about the mirror behind URL. If nil, nothing is known.
	Facts *Facts
	// MaxAge is the highest accepted age of the index. If 0, a week.
	MaxAge time.Duration
	// CAFile is a PEM file with certificate authorities to trust in addition to the
	// system's, like cargo's CARGO_HTTP_CAINFO.
	CAFile string
	// NoProxy makes Run connect directly, whatever the environment says.
	NoProxy bool
	// CargoConfig is what users put into cargo's configuration.
	CargoConfig string
	// Tell is called with each result as soon as it is known.
	Tell func(Result)
}

// An exam is the state of one Run. It must not be used concurrently.
type exam struct {
	Config
	client  *http.Client
	index   *url.URL // ends with a slash
	dl, api string   // from config.json; api without a final slash
	cargo   *cargo   // nil: none can be used
	picks   picks
	failed  int
}

// Run runs all possible checks, and returns how many failed. An error means that it could
// not continue: ctx ended, or there is no room for temporary files.
func Run(ctx context.Context, cfg Config) (failed int, err error) {
	x := &exam{Config: cfg}
	if x.MaxAge == 0 {
		x.MaxAge = 7 * 24 * time.Hour
	}
	err = x.all(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return x.failed, err
}

func (x *exam) all(ctx context.Context) error {
	if err := x.parseURL(); err != nil {
		x.fail("address", err.Error(), "")
		return nil
	}
	if err := x.newClient(); err != nil {
		x.fail("address", err.Error(), "")
		return nil
	}
	defer x.client.CloseIdleConnections()
	x.facts()
	if x.findCargo(ctx); x.cargo != nil {
		defer os.RemoveAll(x.cargo.dir)
	}
	if !x.configJSON(ctx) || ctx.Err() != nil {
		return nil // no other check can succeed
	}
	x.absent(ctx)
	if !x.pick(ctx) || ctx.Err() != nil {
		return nil
	}
	x.revalidate(ctx)
	x.download(ctx)
	if x.cargo == nil {
		return nil
	}
	return x.runCargo(ctx)
}

// parseURL finds the index, given what the user calls the registry.
func (x *exam) parseURL() error {
	root, isIndex := strings.CutPrefix(x.URL, "sparse+")
	u, err := url.Parse(root)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is not the address of a registry: want http or https and a host", x.URL)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("an address with a query or a fragment is not that of a registry: cargo would lose it")
	case isIndex && !strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("%q does not end with a slash: cargo refuses that", x.URL)
	case isIndex:
		x.index = u
	default:
		x.index = u.JoinPath("index/")
	}
	return nil
}

func (x *exam) newClient() error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // lengths must be those sent
	if transport.Proxy = nil; !x.NoProxy {
		proxy, err := upstream.Proxy()
		if err != nil {
			return err
		}
		transport.Proxy = proxy
	}
	if x.CAFile != "" {
		abs, err := filepath.Abs(x.CAFile)
		if err != nil {
			return fmt.Errorf("reading authorities to trust: %w", err)
		}
		x.CAFile = abs // cargo runs in another folder
		pem, err := os.ReadFile(x.CAFile)
		if err != nil {
			return fmt.Errorf("reading authorities to trust: %w: give the PEM file of your authority", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("there is no certificate in %s: give the PEM file of your authority", x.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	x.client = &http.Client{Transport: transport, Timeout: time.Minute}
	return nil
}

// facts checks the known properties of the mirror itself.
func (x *exam) facts() {
	f := x.Facts
	if f == nil {
		return
	}
	switch {
	case f.Versions == 0:
		x.fail("mirror", "it holds nothing", "fill it: clonecratesio sync, or clonecratesio reindex if the crates are there and the catalog is not")
	case f.LastRun != "":
		x.warn("mirror", fmt.Sprintf("it holds %d versions of %d crates; the last run ended so: %s", f.Versions, f.Crates, f.LastRun),
			"run clonecratesio sync again: it fetches what is missing and nothing else")
	default:
		x.ok("mirror", fmt.Sprintf("it holds %d versions of %d crates", f.Versions, f.Crates))
	}
	if f.IndexTime.IsZero() {
		x.skip("age", "the index is a plain folder, which has no date")
		return
	}
	age := time.Since(f.IndexTime)
	text := fmt.Sprintf("the index is of %s, %.1f days ago", f.IndexTime.UTC().Format(time.RFC3339), age.Hours()/24)
	switch {
	case age < -time.Hour:
		x.warn("age", text, "it is of the future: set the clock of this machine")
	case age > x.MaxAge:
		x.warn("age", text, "newer versions cannot be found: clonecratesio sync, and -every to keep following")
	default:
		x.ok("age", text)
	}
}

func (x *exam) ok(check, text string) { x.Tell(Result{check, OK, text, ""}) }

func (x *exam) warn(check, text, advice string) { x.Tell(Result{check, Warning, text, advice}) }

func (x *exam) skip(check, text string) { x.Tell(Result{check, Skipped, text, ""}) }

func (x *exam) fail(check, text, advice string) {
	x.failed++
	x.Tell(Result{check, Failed, text, advice})
}

// failErr reports an error in plain words.
func (x *exam) failErr(check, what string, err error) {
	if errors.Is(err, context.Canceled) {
		return // the client is gone
	}
	text, advice := explain(err)
	x.fail(check, what+": "+text, advice)
}
