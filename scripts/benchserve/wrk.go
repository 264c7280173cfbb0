//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is the result of one round.
type result struct {
	rate float64       // requests per second
	cpu  time.Duration // of the server, per request
	p99  time.Duration
}

// script makes each connection request one path after the other.
const script = `
local asks, n = {}, 0
init = function()
	for line in io.lines(%q) do
		local path, etag = line:match("(%%S+) ?(.*)")
		asks[#asks + 1] = wrk.format("GET", path, etag ~= "" and {["If-None-Match"] = etag} or nil)
	end
end
request = function() n = n %% #asks + 1 return asks[n] end
`

var (
	total   = regexp.MustCompile(`(\d+) requests in`)
	rate    = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	latest  = regexp.MustCompile(`99%\s+([\d.]+[mu]?s)`)
	refused = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

// run runs wrk for one round.
func (c *contest) run(dir string, conns int) (r result, err error) {
	before, err := c.server.cpu()
	if err != nil {
		return r, err
	}
	said, err := c.wrk(dir, conns)
	if err != nil {
		return r, fmt.Errorf("asking %s: %w", c.server.name, err)
	}
	after, err := c.server.cpu()
	if err != nil {
		return r, err
	}
	var texts [3]string
	for i, what := range []*regexp.Regexp{total, rate, latest} {
		found := what.FindStringSubmatch(said)
		if found == nil {
			return r, fmt.Errorf("wrk says: %s", said)
		}
		texts[i] = found[1]
	}
	n, err := strconv.ParseInt(texts[0], 10, 64)
	if err != nil || n == 0 {
		return r, fmt.Errorf("wrk says: %s", said)
	}
	r.cpu = (after - before) / time.Duration(n)
	if r.rate, err = strconv.ParseFloat(texts[1], 64); err != nil {
		return r, err
	}
	r.p99, err = time.ParseDuration(texts[2])
	return r, err
}

// wrk runs wrk for some time and returns its output.
func (c *contest) wrk(dir string, conns int) (string, error) {
	list, lua := filepath.Join(dir, "asks"), filepath.Join(dir, "asks.lua")
	var lines strings.Builder
	for _, a := range c.asks {
		fmt.Fprintln(&lines, a.path, a.etag)
	}
	if err := os.WriteFile(list, []byte(lines.String()), 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(lua, fmt.Appendf(nil, script, list), 0o600); err != nil {
		return "", err
	}
	var stdout strings.Builder
	cmd := exec.Command("wrk", "-t", "1", "-c", strconv.Itoa(conns), "-d", fmt.Sprintf("%ds", max(1, int(duration.Seconds()))), "--latency", "-s", lua, c.server.url)
	cmd.Stdout, cmd.Stderr = io.Writer(&stdout), os.Stderr
	if err := cmd.Run(); err != nil {
		return "", err
	}
	if bad := refused.FindString(stdout.String()); bad != "" {
		return "", fmt.Errorf("%s", bad)
	}
	return stdout.String(), nil
}
