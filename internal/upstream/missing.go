package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Where upstream has a part of a registry alone (Config.AllowMissing), that it
// refuses a file is an answer, however many in a row. A ban looks much the same.
// So what it gave out before is asked for again now and then; and as long as
// there is no such file, a refusal that is no usual "not there" counts as one
// that may be a ban.

// missing takes note of a file that upstream need not have.
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

// saysNotThere reports whether a refusal is how servers and S3, which may not
// list its files, say that there is no such file.
func saysNotThere(fail *failure) bool {
	switch fail.status {
	case http.StatusNotFound, http.StatusGone:
		return true
	case http.StatusForbidden:
		return bytes.Contains(fail.evidence.Body, []byte("<Code>AccessDenied</Code>"))
	}
	return false
}

// refuses reports whether upstream refuses a file that it gave out before. That
// it does not answer does not count here.
func (c *Client) refuses(ctx context.Context, known Request) bool {
	known.WasGone = true // no news for the breaker: we are the judge
	body, _, err := c.Fetch(ctx, known)
	if err == nil {
		body.Release()
		return false
	}
	return errors.As(err, new(*GoneError)) || errors.As(err, new(*MismatchError)) || errors.As(err, new(*RedirectError))
}

// remember keeps a file to be asked for again.
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
