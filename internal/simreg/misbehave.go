package simreg

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// misbehave answers a request as the fault demands. It returns false if a good response
// must follow.
func (s *Server) misbehave(w http.ResponseWriter, req *http.Request, id crate.ID, f *Fault) (done bool) {
	switch f.Kind {
	case Latency:
		if !s.sleep(req.Context(), f.delay()) {
			panic(http.ErrAbortHandler)
		}
		return false
	case GoAway:
		w.Header().Set("Connection", "close") // net/http makes GOAWAY of it
		return false
	case Redirect:
		redirect(w, redirectTarget(id, f))
		return true
	case Down:
		s.Down()
		panic(http.ErrAbortHandler)
	case StallHeaders:
		s.sleep(req.Context(), -1)
		panic(http.ErrAbortHandler)
	case Status:
		if f.Code != http.StatusPartialContent {
			answerStatus(w, f)
			return true
		}
	}
	rec, err := s.reg.record(id)
	if err != nil {
		return false // nothing to damage
	}
	data := s.reg.bytes(rec)
	crateHeader(w.Header(), s.reg.checksum(rec))
	s.damage(w, req, data, f)
	return true
}

// redirectTarget returns the first redirect target of a request for id.
func redirectTarget(id crate.ID, f *Fault) string {
	switch {
	case f.To != "":
		return f.To + "/" + id.URLPath()
	case f.Hops == 0:
		return hopPath(id, 1)
	}
	return hopPath(id, f.Hops)
}

func answerStatus(w http.ResponseWriter, f *Fault) {
	code := f.code()
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	s3Error(w, code, "Simulated", http.StatusText(code))
}

// damage sends a damaged body. The headers of a good response are set; body may be changed.
func (s *Server) damage(w http.ResponseWriter, req *http.Request, body []byte, f *Fault) {
	h, half := w.Header(), body[:len(body)/2]
	switch f.Kind {
	case HTML:
		h.Set("Content-Type", "text/html")
		send(w, []byte("<!DOCTYPE html><html><body><h1>Sorry</h1><p>We will be back soon.</p></body></html>\n"))
	case JSON:
		h.Set("Content-Type", "application/json")
		send(w, []byte(`{"errors":[{"detail":"something went wrong"}]}`))
	case WrongCrate:
		send(w, archive(&Version{Name: "somebody-else", Version: "1.0.0"}, 0, 0))
	case FlipBit:
		body[len(body)/2] ^= 1
		send(w, body)
	case LongBody:
		send(w, append(body, make([]byte, 1<<10)...))
	case GzipEncoding:
		h.Set("Content-Encoding", "gzip")
		send(w, body)
	case Status:
		h.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(half)-1, len(body)))
		h.Set("Content-Length", strconv.Itoa(len(half)))
		w.WriteHeader(http.StatusPartialContent)
		push(w, half)
	case Truncate, ResetStream:
		sendThenAbort(w, half, len(body))
	case LengthTooLarge:
		sendThenAbort(w, body, len(body)+100)
	case StallBody:
		h.Set("Content-Length", strconv.Itoa(len(body)))
		push(w, half)
		s.sleep(req.Context(), -1)
		panic(http.ErrAbortHandler)
	case Drip:
		s.drip(w, req, body, f.delay())
	case Endless:
		endless(w, body)
	case TruncateNoLength:
		sendRaw(w, raw{status: "HTTP/1.0 200 OK", body: half, length: -1})
	case LengthTooSmall:
		sendRaw(w, raw{status: "HTTP/1.1 200 OK", body: body, length: len(half)})
	case Switch:
		s.switchProtocols(w)
	case Reset:
		sendRaw(w, raw{status: "HTTP/1.1 200 OK", body: half, length: len(body), reset: true})
	}
}
