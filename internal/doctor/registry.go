package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

const (
	maxConfig = 64 << 10 // bytes of config.json and of an answer of the API
	maxIndex  = 32 << 20 // of an index file; the largest has 4 MB
	maxCrate  = 1 << 30
)

// adviceURL is the advice if config.json leads elsewhere.
const adviceURL = "give serve or export the address at which clients reach it: -public-url %s"

// configJSON reads config.json; false: no other check can succeed.
func (x *exam) configJSON(ctx context.Context) bool {
	where := x.index.JoinPath("config.json").String()
	began := time.Now()
	a, err := x.ask(ctx, where, maxConfig)
	if err != nil {
		x.failErr("address", where, err)
		return false
	}
	var config struct {
		DL   *string `json:"dl"`
		API  string  `json:"api"`
		Auth bool    `json:"auth-required"`
	}
	switch err := json.Unmarshal(a.body, &config); {
	case a.code == http.StatusNotFound:
		x.fail("address", fmt.Sprintf("there is no index at %s (404)", where), x.elsewhere(ctx))
		return false
	case a.code != http.StatusOK:
		text, advice := explainStatus(a)
		x.fail("address", where+": "+text, advice)
		return false
	case err != nil || config.DL == nil:
		text := fmt.Sprintf("%s is no config.json: %s", where, a.beginning())
		if a.isPage() {
			text = fmt.Sprintf("%s is a page for people and no config.json", where)
		}
		x.fail("address", text, "a proxy or a login page is in front, or the address is wrong; "+x.elsewhere(ctx))
		return false
	}
	x.ok("address", fmt.Sprintf("%s answers in %s%s", where, time.Since(began).Round(time.Millisecond), x.slower()))
	x.clock(a.header.Get("Date"))
	x.dl, x.api = *config.DL, strings.TrimRight(config.API, "/")
	if config.Auth {
		x.fail("config", "config.json says auth-required: cargo wants a token", "take auth-required away: a mirror of crates.io must be readable without")
		return false
	}
	x.judgeAPI(config.API)
	return x.judgeDL()
}

// slower says what TLS would improve for a mirror on another machine that is reached by
// plain HTTP: with HTTP/2, which cargo uses only over TLS, it requests all files on one
// connection.
func (x *exam) slower() string {
	if x.index.Scheme == "https" || isLocal(x.index.Hostname()) {
		return ""
	}
	return "; over HTTPS cargo would be about twice as fast from afar: serve -tls-self-signed"
}

// elsewhere looks for an index in other places.
func (x *exam) elsewhere(ctx context.Context) string {
	host := url.URL{Scheme: x.index.Scheme, Host: x.index.Host}
	root := strings.TrimSuffix(strings.TrimSuffix(x.index.Path, "/"), "/index")
	for _, path := range []string{root + "/", root + "/index/index/", "/index/", "/"} {
		at := host.JoinPath(path)
		a, err := x.ask(ctx, at.JoinPath("config.json").String(), maxConfig)
		if err == nil && a.code == http.StatusOK && !a.isPage() && strings.Contains(string(a.body), `"dl"`) {
			return fmt.Sprintf("there is one at %s: use sparse+%s, or let the proxy in front keep the path %q and give serve -public-url", at, at, root)
		}
	}
	return "correct the address; if a proxy is in front, let it pass everything below the path on, and give serve -public-url with that path"
}

// clock compares the clocks of the two machines: cargo ignores them, but certificates and
// ages depend on them.
func (x *exam) clock(date string) {
	const most = 5 * time.Minute
	there, err := http.ParseTime(date)
	if err != nil {
		return
	}
	off := time.Since(there).Round(time.Minute)
	if off.Abs() > most {
		x.warn("clock", fmt.Sprintf("the server's clock and this machine's are %s apart", off.Abs()), "set both by NTP: certificates may seem expired")
	}
}

// judgeDL checks where crates come from; false: cargo gets none there.
func (x *exam) judgeDL() bool {
	public := strings.TrimSuffix(strings.TrimSuffix(x.index.String(), "/"), "/index")
	dl, err := url.Parse(x.urls().Expand(crate.ID{Name: "a", Version: "1.0.0"}, crate.Checksum{}))
	switch {
	case err != nil || dl.Scheme != "http" && dl.Scheme != "https":
		x.fail("config", fmt.Sprintf("cargo cannot fetch crates from dl in config.json, %q", x.dl), fmt.Sprintf(adviceURL, public))
		return false
	case isLocal(dl.Hostname()) && !isLocal(x.index.Hostname()):
		x.fail("config", fmt.Sprintf("config.json sends every client to itself for crates: dl is %q", x.dl), fmt.Sprintf(adviceURL, public))
		return false
	case dl.Scheme == "http" && x.index.Scheme == "https":
		x.warn("config", fmt.Sprintf("the index comes by HTTPS, but crates in plain HTTP: dl is %q", x.dl), fmt.Sprintf(adviceURL, public))
	case dl.Host != x.index.Host:
		x.warn("config", fmt.Sprintf("config.json sends cargo to another host for crates: dl is %q", x.dl), "if that is not meant, "+fmt.Sprintf(adviceURL, public))
	default:
		x.ok("config", "crates come from "+x.dl)
	}
	return true
}

// urls returns the addresses of crate files as cargo computes them.
func (x *exam) urls() crate.URLTemplate { return crate.CargoURLTemplate(x.dl) }

// judgeAPI checks the address that cargo search uses.
func (x *exam) judgeAPI(api string) {
	switch {
	case api == "":
		x.warn("api", "config.json names no api: cargo search and cargo info cannot work", "a static tree has none; serve has one")
	case strings.HasSuffix(api, "/"):
		x.warn("api", fmt.Sprintf("api in config.json ends with a slash: %q", api), "take it away: cargo puts one behind it")
	}
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// absent requests a crate that does not exist.
func (x *exam) absent(ctx context.Context) {
	a, err := x.ask(ctx, x.index.JoinPath(crate.IndexPath("doctor-asks-for-what-is-not-there")).String(), maxIndex)
	if err != nil {
		x.failErr("absent", "asking for a crate that is not there", err)
		return
	}
	const advice = "let it answer 404, and proxies in front pass that on; S3 does if listing the bucket is allowed"
	switch a.code {
	case http.StatusNotFound:
		x.ok("absent", "404 for a crate that is not there")
	case http.StatusGone, http.StatusUnavailableForLegalReasons:
		x.warn("absent", fmt.Sprintf("%d for a crate that is not there: newer cargo takes 404 alone for that", a.code), advice)
	default:
		x.fail("absent", fmt.Sprintf("%d for a crate that is not there: cargo takes 404 alone for that, and gives up", a.code), advice)
	}
}

// revalidate requests an index file twice.
func (x *exam) revalidate(ctx context.Context) {
	p := x.picks.any()
	where := x.indexURL(p.ID.Name)
	first, err := x.ask(ctx, where, maxIndex)
	if err != nil {
		x.failErr("index", where, err)
		return
	}
	const advice = "without that cargo fetches the whole file at every update: let proxies pass ETag and If-None-Match on"
	key, tag := "If-None-Match", first.header.Get("ETag")
	if tag == "" {
		key, tag = "If-Modified-Since", first.header.Get("Last-Modified")
	}
	if tag == "" {
		x.warn("index", "index files have neither ETag nor Last-Modified", advice)
		return
	}
	again, err := x.ask(ctx, where, maxIndex, key, tag)
	switch {
	case err != nil:
		x.failErr("index", where, err)
	case again.code != http.StatusNotModified:
		x.warn("index", fmt.Sprintf("an index file that has not changed is sent again (%d instead of 304)", again.code), advice)
	default:
		x.ok("index", "index files are sent once, then 304")
	}
}

func (x *exam) indexURL(name string) string { return x.index.JoinPath(crate.IndexPath(name)).String() }

// download fetches crate files as cargo does, and hashes them, until one fails.
func (x *exam) download(ctx context.Context) {
	for _, p := range []struct {
		check string
		entry *index.Entry
	}{{"crate", x.picks.any()}, {"plus", x.picks.plus}, {"yanked", x.picks.yanked}} {
		if p.entry != nil && !x.downloadOne(ctx, p.check, p.entry) {
			return // the others would fail in the same way
		}
	}
}

func (x *exam) downloadOne(ctx context.Context, check string, e *index.Entry) bool {
	where := x.urls().Expand(e.ID, e.Checksum)
	resp, err := x.open(ctx, where)
	if err != nil {
		text, advice := explain(err)
		if u, err := url.Parse(where); err == nil && u.Host != x.index.Host {
			advice = fmt.Sprintf(adviceURL, strings.TrimSuffix(strings.TrimSuffix(x.index.String(), "/"), "/index"))
		}
		x.fail(check, fmt.Sprintf("%s at %s: %s", e.ID, where, text), advice)
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		head, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		text, advice := explainCrate(&answer{code: resp.StatusCode, header: resp.Header, body: head}, e)
		x.fail(check, fmt.Sprintf("%s at %s: %s", e.ID, where, text), advice)
		return false
	}
	sum, n, err := crate.Hash(io.LimitReader(resp.Body, maxCrate))
	if err != nil {
		x.failErr(check, fmt.Sprintf("reading %s at %s", e.ID, where), err)
		return false
	}
	if sum != e.Checksum {
		x.fail(check, fmt.Sprintf("%s at %s: the %d bytes are not those that the index names", e.ID, where, n),
			"clonecratesio verify says whether the mirror is damaged; if not, a cache or proxy in front changes or mixes up files")
		return false
	}
	x.ok(check, fmt.Sprintf("%s, %d bytes with the right checksum", e.ID, n))
	return true
}

func explainCrate(a *answer, e *index.Entry) (text, advice string) {
	switch {
	case a.code >= http.StatusInternalServerError && strings.Contains(a.beginning(), "damaged"):
		return "the mirror's copy is damaged", "clonecratesio verify -repair"
	case a.code == http.StatusNotFound && strings.Contains(e.Version, "+"):
		return "404, though the index names it", `the "+" is read as a space on the way: pass paths on as they come, or serve a tree of clonecratesio export`
	case a.code == http.StatusNotFound, a.code == http.StatusForbidden:
		return fmt.Sprintf("%d, though the index names it", a.code), "let the proxy in front pass everything below the path on; for a static tree, run the export again"
	}
	return explainStatus(a)
}

var errNone = errors.New("found no crate in the registry to try")
