package buckettest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// An Answer is what happens to one request to an [S3] server.
type Answer struct {
	Status int    // answered without effect; 0: the request takes effect
	Code   string // S3 error code, with Status
	Lost   bool   // the connection breaks after the request took effect, or not, if there is a Status
	Stall  bool   // no answer until the client closes the connection
	Cut    bool   // the body ends after half of the bytes
}

// S3 is a server in this process that supports as much of S3 as package s3 needs, on top of
// any bucket, even a [Liar]. It fails on request.
type S3 struct {
	URL string

	inner   bucket.Bucket
	mu      sync.Mutex
	answers map[int]Answer
	match   func(r *http.Request) Answer
	handler http.HandlerFunc
	log     []string
	uploads uploads
}

// StartS3 starts a server for the test, and sets the environment so that clients find it.
func StartS3(t *testing.T, b bucket.Bucket) *S3 {
	t.Helper()
	s := &S3{inner: b, answers: map[int]Answer{}, uploads: uploads{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	for _, pair := range Env() {
		t.Setenv(pair[0], pair[1])
	}
	return s
}

// Address returns the address of its only bucket, with a prefix.
func (s *S3) Address(prefix string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s", versityBucket, prefix, s.URL)
}

// At sets the answer to the n-th request from now on.
func (s *S3) At(n int, answer Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[len(s.log)+n] = answer
}

// Match sets a function that chooses the answer to each request.
func (s *S3) Match(f func(r *http.Request) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.match = f
}

// Requests returns the requests since the last call, such as "PUT prefix/key".
func (s *S3) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log, s.answers = nil, map[int]Answer{}
	return log
}

func (s *S3) next(r *http.Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/"+versityBucket+"/")
	for _, name := range []string{"partNumber", "uploads", "uploadId", "list-type"} {
		if r.URL.Query().Has(name) {
			line += " " + name + r.URL.Query().Get("partNumber")
			break
		}
	}
	s.log = append(s.log, line)
	answer := s.answers[len(s.log)]
	if s.match != nil && answer == (Answer{}) {
		answer = s.match(r)
	}
	return answer
}

// ServeHTTP implements http.Handler.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := s.next(r)
	switch {
	case answer.Stall:
		_, _ = io.Copy(io.Discard, r.Body) // until then the server does not notice that the client is gone
		<-r.Context().Done()
		return
	case answer.Lost && answer.Status != 0:
		panic(http.ErrAbortHandler)
	case answer.Status != 0:
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(w, r, answer.Status, answer.Code)
		return
	}
	s.mu.Lock()
	serve := s.handler
	s.mu.Unlock()
	if serve == nil {
		serve = s.serve
	}
	rec := httptest.NewRecorder()
	serve(rec, r)
	if answer.Lost {
		panic(http.ErrAbortHandler)
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	if body := rec.Body.Bytes(); answer.Cut {
		_, _ = w.Write(body[:len(body)/2]) // the client notices that it is too short
	} else {
		_, _ = w.Write(body)
	}
}

// refuse answers with an error that repeats as much of the request as it can, as a provider
// may.
func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	w.WriteHeader(status)
	if status != http.StatusNotModified {
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no: %s of %s\r\nby %s</Message></Error>", code, code, r.Header.Get("Authorization"), SecretKey)
	}
}

func (s *S3) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+versityBucket)
	key, query := strings.TrimPrefix(rest, "/"), r.URL.Query()
	switch {
	case !ok:
		refuse(w, r, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.Method == http.MethodHead:
	case key == "" && query.Has("list-type"):
		s.list(w, r)
	case query.Has("uploads") || query.Has("uploadId"):
		s.parts(w, r, key)
	case r.Method == http.MethodPut:
		s.put(w, r, key)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get(w, r, key)
	case r.Method == http.MethodDelete:
		if err := s.inner.Remove(r.Context(), key); err != nil {
			fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// fail translates an error of a bucket into S3's form.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{
		{fs.ErrNotExist, http.StatusNotFound, "NoSuchKey"},
		{bucket.ErrExists, http.StatusPreconditionFailed, "PreconditionFailed"},
		{bucket.ErrChanged, http.StatusPreconditionFailed, "PreconditionFailed"},
		{bucket.ErrNotModified, http.StatusNotModified, "NotModified"},
		{bucket.ErrRange, http.StatusRequestedRangeNotSatisfiable, "InvalidRange"},
	} {
		if errors.Is(err, known.err) {
			refuse(w, r, known.status, known.code)
			return
		}
	}
	if errors.As(err, new(*bucket.RefusedError)) {
		refuse(w, r, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	refuse(w, r, http.StatusInternalServerError, "InternalError")
}

func (s *S3) put(w http.ResponseWriter, r *http.Request, key string) {
	body, err := announced(r)
	when := bucket.Always()
	if r.Header.Get("If-None-Match") == "*" {
		when = bucket.Absent()
	} else if tag := r.Header.Get("If-Match"); tag != "" {
		when = bucket.Unchanged(bucket.Tag(tag))
	}
	var tag bucket.Tag
	if err == nil {
		tag, err = s.inner.Put(r.Context(), key, body, when)
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("ETag", string(tag))
}

// announced returns the body with the checksum that its signature announces.
func announced(r *http.Request) (bucket.Body, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return bucket.Body{}, err
	}
	sum, err := crate.ParseChecksum(r.Header.Get("X-Amz-Content-Sha256"))
	return bucket.Body{
		Data: bytes.NewReader(data), Size: int64(len(data)), Checksum: sum,
		ContentType: r.Header.Get("Content-Type"), CacheControl: r.Header.Get("Cache-Control"),
	}, err
}

func (s *S3) get(w http.ResponseWriter, r *http.Request, key string) {
	ask := bucket.Ask{Same: bucket.Tag(r.Header.Get("If-Match")), Unless: bucket.Tag(r.Header.Get("If-None-Match"))}
	ranged := r.Header.Get("Range")
	if ranged != "" {
		var last int64
		if n, _ := fmt.Sscanf(ranged, "bytes=%d-%d", &ask.Offset, &last); n == 2 {
			ask.Length = last - ask.Offset + 1
		}
	}
	body, o, err := s.inner.Get(r.Context(), key, ask)
	if err == nil && ranged != "" && o.Size == 0 {
		err = bucket.ErrRange
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	defer body.Close()
	data, _ := io.ReadAll(body) // a truncated body has another length
	w.Header().Set("ETag", string(o.Tag))
	w.Header().Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", fmt.Sprint(cmp.Or(int64(len(data)), o.Size)))
	if ranged != "" && int64(len(data)) < o.Size {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", ask.Offset, ask.Offset+int64(len(data))-1, o.Size))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write(data)
	}
}

// keysOf returns the objects below a prefix.
func (s *S3) keysOf(r *http.Request, prefix string) (list []bucket.Object, err error) {
	for o, err := range s.inner.List(r.Context(), prefix) {
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b bucket.Object) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

// Inner returns the bucket that the server offers.
func (s *S3) Inner() bucket.Bucket { return s.inner }

// Handle makes f answer every request from now on.
func (s *S3) Handle(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = f
}
