package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// rendered is a small text resource as it is sent, including headers, so that a request
// costs no more than writing it.
type rendered struct {
	path       string    // in the index, after the commit
	generation uint64    // of the mirror, when it was known to be valid
	whole      bool      // none of the index's lines is left out
	until      time.Time // when it becomes invalid by time alone; zero: never
	sum        [sha256.Size]byte
	plain      representation
	packed     representation // gzip; without a body if that is not smaller
	etag       []string
	kind       []string // Content-Type
}

type representation struct {
	body   []byte
	length []string // Content-Length
}

// overhead is roughly the memory of a rendered besides its bodies: itself, the cache's map
// and list, the headers.
const overhead = 700

func (r *rendered) size() int64 {
	return int64(len(r.plain.body)+len(r.packed.body)+len(r.path)) + overhead
}

// render prepares body. As long as its ETag is the same, the resource is the same. The ETag
// is weak because plain and gzip share it.
func render(path, kind string, body []byte, generation uint64) *rendered {
	sum := sha256.Sum256(body)
	r := &rendered{
		path: path, generation: generation, sum: sum,
		etag: []string{`W/"` + hex.EncodeToString(sum[:16]) + `"`}, kind: []string{kind},
	}
	r.plain = represent(body)
	if packed := pack(body); len(packed) < len(body) {
		r.packed = represent(packed)
	}
	return r
}

// at returns r as valid for a crate at a generation.
func (r *rendered) at(generation uint64, c *reader.Crate) *rendered {
	again := *r
	again.generation, again.whole, again.until = generation, c.Left == 0, c.Until
	return &again
}

func represent(body []byte) representation {
	return representation{body, []string{strconv.Itoa(len(body))}}
}

func pack(body []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(body) // to memory: cannot fail
	_ = w.Close()
	return bytes.Clone(buf.Bytes())
}

var (
	encodingGzip   = []string{"gzip"}
	varyByEncoding = []string{"Accept-Encoding"}
)

// write answers a request with r.
func (r *rendered) write(w *response, req *http.Request, cacheControl []string) error {
	h := w.Header()
	h["Etag"], h["Cache-Control"], h["Vary"] = r.etag, cacheControl, varyByEncoding
	if matches(req.Header["If-None-Match"], r.etag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := r.plain
	if r.packed.body != nil && acceptsGzip(req.Header["Accept-Encoding"]) {
		body = r.packed
		h["Content-Encoding"] = encodingGzip
	}
	h["Content-Type"], h["Content-Length"] = r.kind, body.length
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodHead {
		return nil
	}
	_, _ = w.whole(body.body) // an error is a client that disconnected
	return nil
}

// matches reports whether If-None-Match names etag, by weak comparison (RFC 9110, 13.1.2).
// Apache and other proxies that compress our responses append the coding to the tag, and do
// not remove it again (bug 45023).
func matches(ifNoneMatch []string, etag string) bool {
	etag = strings.TrimPrefix(etag, "W/")
	for _, line := range ifNoneMatch {
		for line != "" {
			var one string
			one, line, _ = strings.Cut(line, ",")
			one = strings.TrimSpace(one)
			if one == "*" || withoutCoding(strings.TrimPrefix(one, "W/")) == etag {
				return true
			}
		}
	}
	return false
}

// codings are what proxies append to an entity tag, before its last quote.
var codings = []string{"--gzip", "-gzip", ";gzip", "-br", ";br", "-zstd"}

func withoutCoding(etag string) string {
	tag, ok := strings.CutSuffix(etag, `"`)
	for _, c := range codings {
		if short, cut := strings.CutSuffix(tag, c); ok && cut {
			return short + `"`
		}
	}
	return etag
}

// acceptsGzip reports whether Accept-Encoding names gzip without forbidding it (RFC 9110,
// 12.5.3).
func acceptsGzip(accept []string) bool {
	for _, line := range accept {
		for line != "" {
			var one string
			one, line, _ = strings.Cut(line, ",")
			coding, weight, _ := strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				return !isZero(weight)
			}
		}
	}
	return false
}

// isZero reports whether weight, as in "q=0.5", is zero.
func isZero(weight string) bool {
	_, q, ok := strings.Cut(weight, "=")
	value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
	return ok && err == nil && value == 0
}
