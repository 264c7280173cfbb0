package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
)

// If upstream has only a part of a registry (Config.AllowMissing), its refusals are
// answers, however many come in a row. But a ban looks much the same. So the client
// sometimes asks again for a file that upstream served before. As long as there is no such
// file, a refusal other than the usual "not found" counts as a possible ban.

// missing records a file that upstream may lack.
func (c *Client) missing(ctx context.Context, fail *failure, err error) {
	known := c.known.Load()
	switch {
	case known == nil && !saysNotThere(fail):
		c.count(fail, err)
	case c.breaker.manyMissing() && known != nil:
		if c.refuses(ctx, *known) {
			c.stop(&StoppedError{
				Reason: fmt.Sprintf("%d crates in a row were refused, the last with %s, and so is %s now, which came before",
					c.cfg.RefusalLimit, statusText(fail.status), known.ID),
				Hint: refusalHint(fail.status), Last: err,
			})
		}
	}
}

// saysNotThere reports whether a refusal is the usual "not found" of servers, or of S3
// without the right to list files.
func saysNotThere(fail *failure) bool {
	switch fail.status {
	case http.StatusNotFound, http.StatusGone:
		return true
	case http.StatusForbidden:
		return bytes.Contains(fail.evidence.Body, []byte("<Code>AccessDenied</Code>"))
	}
	return false
}

// refuses reports whether upstream refuses a file that it served before. No answer at all
// does not count here.
func (c *Client) refuses(ctx context.Context, known Request) bool {
	known.WasGone = true // the breaker must not count this probe
	body, _, err := c.Fetch(ctx, known)
	if err == nil {
		body.Release()
		return false
	}
	return errors.As(err, new(*GoneError)) || errors.As(err, new(*MismatchError)) || errors.As(err, new(*RedirectError))
}

// remember keeps a file to ask for again.
func (c *Client) remember(req Request, body *Body) {
	if !c.cfg.AllowMissing || body.Spill != nil || c.known.Load() != nil {
		return
	}
	known := req // a copy, so that req itself stays on the stack
	known.Spill = func() (Spill, error) {
		return nil, errors.New("a file that is asked for again has no place on the disk")
	}
	c.known.Store(&known)
}
