package cli

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// The longest wait for a round of sync -every 1m, and how long a new version may take.
const (
	everyMinute = 66 * time.Second
	promised    = 90 * time.Second
)

// A chain of two mirrors, each a running sync and a server. The first learns of new versions
// from the registry's feed, the second from the feed of the first. Here a round starts every
// second. With -every 1m, only the waits for rounds take longer, so everything else must take
// so little time that 66 of the 90 seconds remain for them.
func TestNewVersionsAtOnce(t *testing.T) {
	durabletest.Seldom(t, 3)
	indextest.NeedGit(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	versions := 2
	if *durabletest.Thorough {
		versions = 20
	}
	const every = time.Second
	m := newMirrored(t, simreg.Demo())
	near := m.follow("near", "sparse+"+m.server.IndexURL, m.server.FeedURL, m.server.BaseURL, filepath.Join(m.dir, "index"))
	near.await("/index/wi/ll/willow", `"vers":"1.`)
	far := m.follow("far", "sparse+"+near.url+"/index/", near.url+"/", near.url+"/crates", filepath.Join(m.dir, "index"))
	far.await("/index/wi/ll/willow", `"vers":"1.`)

	var lags [2][]time.Duration
	for n := range versions {
		v := simreg.Version{Name: fmt.Sprintf("news-%d", n%5), Version: fmt.Sprintf("1.%d.0", n), PubTime: time.Now()}
		m.reg.Add(v)
		for i, at := range []*following{near, far} {
			at.await("/"+"index/"+crate.IndexPath(v.Name), fmt.Sprintf("%q", v.Version))
			lags[i] = append(lags[i], time.Since(v.PubTime))
		}
		want, err := m.reg.CrateBytes(v.ID())
		must(t, err)
		if got := far.get(fmt.Sprintf("/crates/%s/%s/download", v.Name, v.Version)); got != string(want) {
			t.Errorf("%s %s has other bytes", v.Name, v.Version)
		}
		time.Sleep(time.Duration(random.Int64N(int64(every)))) // rounds and versions must not march in step
	}
	for i, at := range []*following{near, far} {
		slices.Sort(lags[i])
		p95 := lags[i][(len(lags[i])*95+99)/100-1]
		t.Logf("%s: median %v, p95 %v", at.name, lags[i][len(lags[i])/2], p95)
		if p95 > promised-everyMinute {
			t.Errorf("%s: p95 is %v with rounds every second; with -every 1m that is more than %v", at.name, p95, promised)
		}
		at.awaitLags("sync", "clonecratesio_published_to_recorded_seconds", versions)
		at.awaitLags("serve", "clonecratesio_published_to_served_seconds", versions)
	}
	// A run says how it goes once a second.
	far.until("the last of them in status", func() bool {
		return strings.Contains(do(t, "status", "-mirror", filepath.Join(m.dir, "far")), fmt.Sprintf("the last %d versions recorded", versions))
	})
}

// A following is a mirror that is kept up to date and served.
type following struct {
	t          *testing.T
	name       string
	url        string
	admin      map[string]string // the addresses of metrics
	sync, serv *child
}

// follow starts a sync, and a server when that has made an index.
func (m *mirrored) follow(name, indexURL, changes, crates, list string) *following {
	m.t.Helper()
	dir := filepath.Join(m.dir, name)
	f := &following{t: m.t, name: name, admin: map[string]string{"sync": freeAddr(m.t), "serve": freeAddr(m.t)}}
	args := []string{"-mirror", dir, "-index-url", indexURL, "-index-changes", changes, "-index-changes", list, "-crates-base-url", crates}
	m.tell("sync", append(args, "-listen", "")...).want(0)
	f.sync = m.tell("sync", append(args, "-listen", f.admin["sync"], "-every", "1s")...)
	addr := freeAddr(m.t)
	f.url = "http://" + addr
	f.serv = m.tell("serve", "-mirror", dir, "-listen", addr, "-admin-listen", f.admin["serve"])
	f.awaitMetric("sync", "sync_last_success_timestamp_seconds") // what comes from now on is new
	f.await("/rss/updates.xml", "</rss>")
	return f
}

// get returns an answer, "" if there is none yet.
func (f *following) get(path string) string { return bodyOf(f.url + path) }

func bodyOf(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// until waits until a condition is true.
func (f *following) until(what string, so func() bool) {
	f.t.Helper()
	for begin := time.Now(); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > patience {
			f.sync.kill()
			f.serv.kill()
			f.t.Fatalf("%s: %s never came\n%s\n%s", f.name, what, f.sync.said(), f.serv.said())
		}
	}
}

// await waits until an answer has a text in it.
func (f *following) await(path, text string) {
	f.t.Helper()
	f.until(path+" "+text, func() bool { return strings.Contains(f.get(path), text) })
}

// metric returns the value of a gauge, or the count of a histogram.
func (f *following) metric(of, name string) (value float64) {
	found := regexp.MustCompile("(?m)^" + name + "(?:_count)? (.*)$").FindStringSubmatch(bodyOf("http://" + f.admin[of] + "/metrics"))
	if found != nil {
		value, _ = strconv.ParseFloat(found[1], 64)
	}
	return value
}

func (f *following) awaitMetric(of, name string) {
	f.t.Helper()
	f.until(name, func() bool { return f.metric(of, name) > 0 })
}

// awaitLags waits until all versions were measured, and checks that no others were.
func (f *following) awaitLags(of, name string, versions int) {
	f.t.Helper()
	f.until(fmt.Sprintf("%d in %s", versions, name), func() bool { return f.metric(of, name) >= float64(versions) })
	if n := f.metric(of, name); n != float64(versions) {
		f.t.Errorf("%s: %s has %v, want %d", f.name, name, n, versions)
	}
}
