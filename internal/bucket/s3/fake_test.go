package s3_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/s3"
)

const partSize = 1000

// fake opens a bucket at a server of the test, on top of inner.
func fake(t *testing.T, inner bucket.Bucket) (*buckettest.S3, *s3.Bucket) {
	t.Helper()
	server := buckettest.StartS3(t, inner)
	at, err := s3.ParseAddress(server.Address("p"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s3.Open(t.Context(), at, s3.Options{PartSize: partSize, Backoff: time.Millisecond, Stall: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	server.Requests()
	return server, b
}

// The fake server keeps the contract, on which the other tests rely.
func TestConformance(t *testing.T) {
	s := buckettest.StartS3(t, bucket.Memory())
	var n atomic.Int64
	buckettest.Run(t, func(t *testing.T) bucket.Bucket {
		return open(t, s.Address(fmt.Sprint("run/", n.Add(1))))
	})
}

func TestPutAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answers []buckettest.Answer
		want    error // nil: success
		asked   string
	}{
		"503 twice":                  {[]buckettest.Answer{{Status: 503, Code: "SlowDown"}, {Status: 503, Code: "SlowDown"}}, nil, "PUT PUT PUT"},
		"409":                        {[]buckettest.Answer{{Status: 409, Code: "ConditionalRequestConflict"}}, nil, "PUT PUT"},
		"the answer is lost":         {[]buckettest.Answer{{Lost: true}}, nil, "PUT PUT GET"},
		"the request is lost":        {[]buckettest.Answer{{Lost: true, Status: 500}}, nil, "PUT PUT"},
		"no answer":                  {[]buckettest.Answer{{Stall: true}}, nil, "PUT PUT"},
		"412":                        {[]buckettest.Answer{{Status: 412, Code: "PreconditionFailed"}}, bucket.ErrExists, "PUT"},
		"lost, then another's bytes": {[]buckettest.Answer{{Lost: true, Status: 500}, {Status: 412, Code: "PreconditionFailed"}}, bucket.ErrExists, "PUT PUT GET"},
		"403":                        {[]buckettest.Answer{{Status: 403, Code: "AccessDenied"}}, new(s3.Error), "PUT"},
		"501":                        {[]buckettest.Answer{{Status: 501, Code: "NotImplemented"}}, new(s3.Error), "PUT"},
		"wrong bytes":                {[]buckettest.Answer{{Status: 400, Code: "XAmzContentSHA256Mismatch"}}, new(bucket.RefusedError), "PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			server, b := fake(t, bucket.Memory())
			for n, answer := range test.answers {
				server.At(n+1, answer)
			}
			tag, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("1")), bucket.Absent())
			if !isKind(err, test.want) {
				t.Fatalf("Put = %v, want %v", err, test.want)
			}
			if got := verbs(server.Requests()); got != test.asked {
				t.Errorf("it asked %s, want %s", got, test.asked)
			}
			if o, err := b.Head(t.Context(), "k"); test.want == nil && (err != nil || o.Tag != tag) {
				t.Errorf("stored: %+v, %v, Put says %s", o, err, tag)
			}
		})
	}
}

// isKind reports whether err is want: nil, a sentinel, or a value of the same type.
func isKind(err, want error) bool {
	switch want.(type) {
	case nil:
		return err == nil
	case *s3.Error:
		return errors.As(err, new(*s3.Error))
	case *bucket.RefusedError:
		return errors.As(err, new(*bucket.RefusedError))
	}
	return errors.Is(err, want)
}

func verbs(requests []string) string {
	var list []string
	for _, r := range requests {
		verb, _, _ := strings.Cut(r, " ")
		list = append(list, verb)
	}
	return strings.Join(list, " ")
}

// After a compare-and-swap whose answer is lost, the stored bytes show its outcome.
func TestLostReplace(t *testing.T) {
	server, b := fake(t, bucket.Memory())
	first, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("1")), bucket.Absent())
	if err != nil {
		t.Fatal(err)
	}
	server.Requests()
	server.At(1, buckettest.Answer{Lost: true})
	second, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("2")), bucket.Unchanged(first))
	if err != nil || second == first {
		t.Fatalf("replacing: %s, %v", second, err)
	}
	if _, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("3")), bucket.Unchanged(first)); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("replacing what has changed: %v", err)
	}
}

// A provider that is down receives a bounded number of requests.
func TestDown(t *testing.T) {
	server, b := fake(t, bucket.Memory())
	server.Match(func(*http.Request) buckettest.Answer { return buckettest.Answer{Status: 503, Code: "SlowDown"} })
	_, err := b.Head(t.Context(), "k")
	if err == nil || !strings.HasPrefix(err.Error(), `reading "k" (8 times): the provider answers 503`) {
		t.Errorf("Head = %v", err)
	}
	if n := len(server.Requests()); n != 8 {
		t.Errorf("it asked %d times", n)
	}
}

// A body that breaks off, or stalls, is resumed from there.
func TestGetGoesOn(t *testing.T) {
	server, b := fake(t, bucket.Memory())
	data := random(100_000)
	if _, err := b.Put(t.Context(), "k", bucket.Bytes(data), bucket.Absent()); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []bucket.Ask{{}, {Offset: 10, Length: 80_000}, {Offset: 77}} {
		server.Requests()
		server.At(1, buckettest.Answer{Cut: true})
		server.At(2, buckettest.Answer{Lost: true})
		server.At(3, buckettest.Answer{Cut: true})
		got, o, err := bucket.ReadAll(t.Context(), b, "k", ask, 1<<20)
		length, _ := ask.Check(o)
		if err != nil || !slices.Equal(got, data[ask.Offset:][:length]) {
			t.Errorf("%+v: %d bytes of %d, %v", ask, len(got), length, err)
		}
		if n := len(server.Requests()); n != 4 {
			t.Errorf("%+v: %d requests", ask, n)
		}
	}
}

// An object that has changed in the meantime is not resumed.
func TestGetGoesOnWithTheSame(t *testing.T) {
	server, b := fake(t, bucket.Memory())
	if _, err := b.Put(t.Context(), "k", bucket.Bytes(random(100_000)), bucket.Absent()); err != nil {
		t.Fatal(err)
	}
	server.Requests()
	server.At(1, buckettest.Answer{Cut: true})
	body, _, err := b.Get(t.Context(), "k", bucket.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("other")), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); !errors.Is(err, bucket.ErrChanged) || len(got) != 50_000 {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
}

// Providers that break a promise are rejected, even where this package could cope.
func TestLiars(t *testing.T) {
	for _, lie := range []buckettest.Lie{
		buckettest.SeveralCreate, buckettest.LosesUpdates, buckettest.IgnoresAbsent, buckettest.IgnoresTag,
		buckettest.KeepsWrong, buckettest.RefusesAndKeeps, buckettest.IgnoresRange,
	} {
		_, b := fake(t, buckettest.Liar(bucket.Memory(), lie))
		if err := bucket.Probe(t.Context(), b); err == nil {
			t.Errorf("lie %d is believed", lie)
		}
	}
	_, b := fake(t, buckettest.Liar(bucket.Memory(), buckettest.IgnoresUnless))
	tag, err := b.Put(t.Context(), "k", bucket.Bytes([]byte("1")), bucket.Absent())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Get(t.Context(), "k", bucket.Ask{Unless: tag}); !errors.Is(err, bucket.ErrNotModified) {
		t.Errorf("what is unchanged came again: %v", err)
	}
}

// A list that never ends, or loops, is an error.
func TestHostileLists(t *testing.T) {
	page := func(keys ...string) string {
		text := "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>"
		for _, key := range keys {
			text += "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>"
		}
		return text + "</ListBucketResult>"
	}
	for name, test := range map[string]struct {
		pages []string
		want  string
	}{
		"the same again": {[]string{page("p/a"), page("p/a")}, `lists "p/a" after "p/a"`},
		"backwards":      {[]string{page("p/b", "p/a")}, `lists "p/a" after "p/b"`},
		"nowhere to go":  {[]string{strings.Replace(page("p/a"), "%s", "", 1)}, "does not say where the rest begins"},
		"elsewhere":      {[]string{strings.Replace(page("p/../../x", "q/a"), "true", "false", 1)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server, b := fake(t, bucket.Memory())
			n := 0
			server.Handle(func(w http.ResponseWriter, _ *http.Request) {
				text := test.pages[min(n, len(test.pages)-1)]
				n++
				_, _ = io.WriteString(w, strings.Replace(text, "%s", fmt.Sprint(n), 1))
			})
			var got error
			for o, err := range b.List(t.Context(), "") {
				if got = err; err == nil && o.Key != "a" && o.Key != "b" {
					t.Errorf("listed: %q", o.Key)
				}
			}
			if test.want == "" && got != nil || got != nil && !strings.Contains(got.Error(), test.want) || test.want != "" && got == nil {
				t.Errorf("List = %v, want %q", got, test.want)
			}
		})
	}
}

// remembered is a bucket.Parts in memory.
type remembered struct{ state []byte }

func (r *remembered) Load() ([]byte, error)   { return r.state, nil }
func (r *remembered) Save(state []byte) error { r.state = state; return nil }

// An upload that is interrupted at any request is whole after the next call, which does not
// send parts again that the first call knows to be stored.
func TestUploadKilled(t *testing.T) {
	data := random(5*partSize + 1)
	body := bucket.Bytes(data)
	for n := 1; ; n++ {
		server, b := fake(t, bucket.Memory())
		var count atomic.Int64
		server.Match(func(*http.Request) buckettest.Answer {
			if count.Add(1) >= int64(n) {
				return buckettest.Answer{Status: 403, Code: "AccessDenied"} // like all later requests
			}
			return buckettest.Answer{}
		})
		parts := new(remembered)
		_, err := b.Upload(t.Context(), "k", body, parts)
		first := server.Requests()
		if err == nil {
			if n < 9 {
				t.Errorf("an upload of 6 parts took %d requests", n)
			}
			return
		}
		server.Match(nil)
		if _, err := b.Upload(t.Context(), "k", body, parts); err != nil {
			t.Fatalf("killed at request %d: %v", n, err)
		}
		second := server.Requests()
		if _, equal, err := bucket.Holds(t.Context(), b, "k", body); err != nil || !equal || parts.state != nil {
			t.Fatalf("killed at request %d: equal %v, %v; remembered: %s", n, equal, err, parts.state)
		}
		if sent := countParts(first) + countParts(second); n > 3 && sent > 6+4 { // four are sent at a time
			t.Errorf("killed at request %d: %d parts were sent", n, sent)
		}
	}
}

func countParts(requests []string) (n int) {
	for _, r := range requests {
		if strings.Contains(r, " partNumber") {
			n++
		}
	}
	return n
}

func TestUploadAnswers(t *testing.T) {
	data := random(2*partSize + 1)
	complete := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	for name, test := range map[string]struct {
		answer buckettest.Answer
		asked  string // requested after the parts of the first attempt
	}{
		"lost":        {buckettest.Answer{Lost: true}, "POST POST HEAD GET"},
		"not arrived": {buckettest.Answer{Lost: true, Status: 500}, "POST POST HEAD"},
		"409":         {buckettest.Answer{Status: 409, Code: "ConditionalRequestConflict"}, "POST DELETE POST PUT PUT PUT POST HEAD"},
		"404":         {buckettest.Answer{Status: 404, Code: "NoSuchUpload"}, "POST DELETE POST PUT PUT PUT POST HEAD"},
		"500":         {buckettest.Answer{Status: 500, Code: "InternalError"}, "POST POST HEAD"},
	} {
		t.Run(name, func(t *testing.T) {
			server, b := fake(t, bucket.Memory())
			done := false
			server.Match(func(r *http.Request) buckettest.Answer {
				if done || !complete(r) {
					return buckettest.Answer{}
				}
				done = true
				return test.answer
			})
			if _, err := b.Upload(t.Context(), "k", bucket.Bytes(data), new(remembered)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("HEAD POST PUT PUT PUT "+test.asked, verbs(server.Requests())); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if _, equal, err := bucket.Holds(t.Context(), b, "k", bucket.Bytes(data)); err != nil || !equal {
				t.Errorf("stored: %v, %v", equal, err)
			}
		})
	}
}

// Two machines that upload the same object harm neither each other nor what is stored.
func TestUploadBesideAnother(t *testing.T) {
	server, b := fake(t, bucket.Memory())
	data, other := random(2*partSize+1), make([]byte, 2*partSize+1)
	for name, test := range map[string]struct {
		there []byte
		want  error
	}{"the same": {data, nil}, "other bytes": {other, bucket.ErrExists}} {
		server.Match(func(r *http.Request) buckettest.Answer {
			if r.URL.Query().Has("uploads") { // after checking whether the object exists
				if _, err := server.Inner().Put(r.Context(), "p/"+name, bucket.Bytes(test.there), bucket.Always()); err != nil {
					t.Error(err)
				}
			}
			return buckettest.Answer{}
		})
		if _, err := b.Upload(t.Context(), name, bucket.Bytes(data), new(remembered)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, equal, err := bucket.Holds(t.Context(), b, name, bucket.Bytes(test.there)); err != nil || !equal {
			t.Errorf("%s: what was there is still there: %v, %v", name, equal, err)
		}
	}
}

// A remembered state that does not fit is ignored.
func TestUploadForgets(t *testing.T) {
	for _, state := range []string{"", "{", "{}", `{"key":"p/k","upload":"x","size":2001,"parts":[]}`, strings.Repeat("[", 1000)} {
		_, b := fake(t, bucket.Memory())
		body := bucket.Bytes(random(2*partSize + 1))
		if _, err := b.Upload(t.Context(), "k", body, &remembered{[]byte(state)}); err != nil {
			t.Errorf("%.20q: %v", state, err)
		}
	}
}

// Bytes that rot between two reads are rejected, part by part.
func TestUploadOfRottenBytes(t *testing.T) {
	server, b := fake(t, bucket.Memory())
	body := bucket.Bytes(random(2*partSize + 1))
	body.Data = &rotting{Data: random(2*partSize + 1)}
	_, err := b.Upload(t.Context(), "k", body, nil)
	if !errors.As(err, new(*bucket.RefusedError)) {
		t.Errorf("Upload = %v", err)
	}
	if _, err := b.Head(t.Context(), "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	if requests := server.Requests(); !slices.Contains(requests, "DELETE p/k uploadId") {
		t.Errorf("its parts stay and cost money: %s", requests)
	}
}

// rotting is data in which a bit flips after the first read.
type rotting struct {
	Data  []byte
	reads atomic.Int64
}

func (r *rotting) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, r.Data[at:])
	if r.reads.Add(1) > 3 && n > 0 {
		p[0]++
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
