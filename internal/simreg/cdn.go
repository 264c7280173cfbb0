package simreg

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	pathpkg "path"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// handler routes requests. It serves both forms of a crate file's URL, as static.crates.io
// does; redirects pass through the folder "hop".
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /crates/{name}/{file}", s.serveFile)
	mux.HandleFunc("GET /crates/{name}/{version}/download", s.serveDownload)
	mux.HandleFunc("GET /hop/{left}/{name}/{file}", s.serveHop)
	mux.HandleFunc("GET /index/{path...}", s.serveIndex)
	mux.HandleFunc("GET /rss/updates.xml", s.serveRSS)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler)
		}
		defer s.work.Done()
		mux.ServeHTTP(w, req)
	})
}

// serveFile answers requests for {name}/{name}-{version}.crate. S3 reads a raw "+" in such
// a path as a space and finds nothing (row B21).
func (s *Server) serveFile(w http.ResponseWriter, req *http.Request) {
	id, err := crate.ParseFileName(req.PathValue("file"))
	if err != nil || id.Name != req.PathValue("name") {
		denied(w)
		return
	}
	s.reg.script.request(id)
	if strings.Contains(req.URL.EscapedPath(), "+") {
		denied(w)
		return
	}
	s.answer(w, req, id, s.reg.script.fault(id))
}

// serveDownload answers requests for {name}/{version}/download, cargo's form. cargo sends
// "+" unescaped, and the CDN's rewriting of this form repairs it.
func (s *Server) serveDownload(w http.ResponseWriter, req *http.Request) {
	id := crate.ID{Name: req.PathValue("name"), Version: req.PathValue("version")}
	s.reg.script.request(id)
	s.answer(w, req, id, s.reg.script.fault(id))
}

// serveHop answers a request that was redirected; it was counted at its first request.
func (s *Server) serveHop(w http.ResponseWriter, req *http.Request) {
	left, err := strconv.Atoi(req.PathValue("left"))
	id, idErr := crate.ParseFileName(req.PathValue("file"))
	switch {
	case err != nil || idErr != nil:
		denied(w)
	case left == 0:
		s.answer(w, req, id, nil)
	default:
		redirect(w, hopPath(id, left))
	}
}

// hopPath returns the next stop if left more redirects follow; a negative number never
// ends.
func hopPath(id crate.ID, left int) string {
	return fmt.Sprintf("/hop/%d/%s", max(left-1, -1), id.URLPath())
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

// answer serves the crate file of id, or applies the fault.
func (s *Server) answer(w http.ResponseWriter, req *http.Request, id crate.ID, fault *Fault) {
	if fault != nil && s.misbehave(w, req, id, fault) {
		return
	}
	rec, err := s.reg.record(id)
	if err != nil {
		denied(w)
		return
	}
	data := s.reg.bytes(rec)
	crateHeader(w.Header(), s.reg.checksum(rec))
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}

func crateHeader(h http.Header, sum crate.Checksum) {
	h.Set("Content-Type", "application/gzip")
	h.Set("Cache-Control", "public,max-age=31536000,immutable")
	h.Set("ETag", etag(sum))
}

// etag returns an ETag in the form of S3's, which is an MD5.
func etag(sum crate.Checksum) string { return `"` + sum.String()[:32] + `"` }

// denied sends S3's response for a missing file to a client that may not list the bucket.
func denied(w http.ResponseWriter) { s3Error(w, http.StatusForbidden, "AccessDenied", "Access Denied") }

func s3Error(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>%s</Code><Message>%s</Message><RequestId>SIMULATED</RequestId><HostId>simreg</HostId></Error>`, code, message)
}

// serveIndex serves index.crates.io.
func (s *Server) serveIndex(w http.ResponseWriter, req *http.Request) {
	s.reg.script.requestIndex()
	path := req.PathValue("path")
	data, err := s.reg.IndexFile(path)
	if f := s.reg.script.indexFault(pathpkg.Base(path)); f != nil && f.Kind == Status {
		answerStatus(w, f)
		return
	} else if f != nil {
		s.damage(w, req, data, f)
		return
	}
	if err != nil {
		s3Error(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	h := w.Header()
	if path == "config.json" {
		data = configJSON(s.BaseURL)
		h.Set("Content-Type", "application/json")
	} else {
		h.Set("Content-Type", "text/plain")
	}
	h.Set("Cache-Control", "public,max-age=600")
	h.Set("ETag", etag(sha256.Sum256(data)))
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}
