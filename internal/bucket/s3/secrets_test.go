package s3_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/s3"
)

// No error, log or text contains credentials, whatever a provider sends: this one repeats
// the headers of the request and the secret key.
func TestCredentialsStaySecret(t *testing.T) {
	server := buckettest.StartS3(t, bucket.Memory())
	at, err := s3.ParseAddress(server.Address("p"))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b, err := s3.Open(t.Context(), at, s3.Options{PartSize: 10, Backoff: time.Millisecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&said, "%v %+v %#v %s\n", b, b, b, b)
	body := bucket.Bytes(random(100))
	for _, answer := range []buckettest.Answer{
		{Status: 403, Code: "SignatureDoesNotMatch"}, {Status: 503, Code: "SlowDown"}, {Status: 400, Code: "XAmzContentSHA256Mismatch"},
		{Status: 500, Lost: true}, {Status: 418, Code: buckettest.SecretKey},
	} {
		server.Match(func(*http.Request) buckettest.Answer { return answer })
		_, put := b.Put(t.Context(), "k", body, bucket.Absent())
		_, upload := b.Upload(t.Context(), "k", body, nil)
		_, _, get := b.Get(t.Context(), "k", bucket.Ask{})
		_, head := b.Head(t.Context(), "k")
		_, open := s3.Open(t.Context(), at, s3.Options{Backoff: time.Millisecond})
		for _, err := range []error{put, upload, get, head, open, b.Remove(t.Context(), "k")} {
			if err == nil {
				t.Fatalf("%+v: no error", answer)
			}
			fmt.Fprintf(&said, "%v\n%+v\n%#v\n", err, err, err)
			log.Error("it failed", "err", err)
		}
		for _, err := range b.List(t.Context(), "") {
			fmt.Fprintln(&said, err)
		}
	}
	if !strings.Contains(said.String(), "the provider answers 403 SignatureDoesNotMatch: no: SignatureDoesNotMatch of AWS4-HMAC-SHA256 Credential=***/") {
		t.Errorf("it says:\n%.2000s", &said)
	}
	for _, secret := range []string{buckettest.AccessKey, buckettest.SecretKey} {
		if at := strings.Index(said.String(), secret); at >= 0 {
			t.Errorf("%s is told: %.200s", secret, said.String()[max(0, at-150):])
		}
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"s3://bucket": "s3://bucket/",
		"s3://bucket/a/b/?endpoint=http://127.0.0.1:9000&region=eu": "s3://bucket/a/b?endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=eu",
		"s3://bucket/?style=virtual&endpoint=https://s3.example":    "s3://bucket/?endpoint=https%3A%2F%2Fs3.example&style=virtual",
		"s3://bucket/a b+c%2Bd":                                     "s3://bucket/a%20b+c+d",
	} {
		at, err := s3.ParseAddress(text)
		if err != nil || at.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, at, err, want)
		}
		if again, err := s3.ParseAddress(at.String()); err != nil || again != at {
			t.Errorf("%s is read as %+v, %v", at, again, err)
		}
	}
	for text, want := range map[string]string{
		"s3://key:secret@bucket/":                      "has credentials in it",
		"s3://bucket/?endpoint=http://key:secret@host": "has credentials in it",
		"s3://bucket/?secret_key=secret":               `"secret_key" is none of`,
		"s3://bucket/?endpoint=secret":                 "no URL of a provider",
		"s3://bucket/?endpoint=a&endpoint=secret":      "given 2 times",
		"s3://bucket/../x":                             "not a clean relative path",
		"s3://bu_/":                                    "no name of a bucket",
		"s3:bucket":                                    "one is s3://BUCKET/PREFIX",
		"s3://bucket/#secret":                          "one is s3://BUCKET/PREFIX",
		"s3://key:sec%zzret@bucket":                    "one is s3://BUCKET/PREFIX",
	} {
		_, err := s3.ParseAddress(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret@") || strings.Contains(err.Error(), "sec%zz") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Without credentials, the error says what to set.
func TestNoCredentials(t *testing.T) {
	server := buckettest.StartS3(t, bucket.Memory())
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	at, err := s3.ParseAddress(server.Address(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s3.Open(t.Context(), at, s3.Options{}); err == nil || !strings.Contains(err.Error(), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE") {
		t.Errorf("Open = %v", err)
	}
	at.Bucket = "no-such-bucket"
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	if _, err := s3.Open(t.Context(), at, s3.Options{}); err == nil || !strings.Contains(err.Error(), "there is no such bucket") {
		t.Errorf("Open = %v", err)
	}
}

// FuzzParseAddress: formatting a parsed address gives one that parses to the same, without
// credentials.
func FuzzParseAddress(f *testing.F) {
	f.Add("s3://bucket/a/b?endpoint=https://s3.example&region=eu&style=virtual")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := s3.ParseAddress(text)
		if err != nil {
			return
		}
		again, err := s3.ParseAddress(at.String())
		if err != nil || again != at {
			t.Errorf("%q is %+v, and then %+v, %v", text, at, again, err)
		}
		if u, err := url.Parse(at.Endpoint); err != nil || u.User != nil {
			t.Errorf("%q keeps credentials: %v", text, err)
		}
	})
}
