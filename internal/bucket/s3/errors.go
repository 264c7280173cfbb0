package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// An Error is what a provider, or the way to it, said to a request. It tells no
// credentials, whatever is in the answer.
type Error struct {
	Verb, Key string
	Status    int    // of HTTP; 0: there was no answer
	Code      string // of S3, such as "SlowDown"
	Tries     int
	text      string
	cause     error
}

func (e *Error) Error() string {
	text := e.Verb
	if e.Key != "" {
		text += fmt.Sprintf(" %q", e.Key)
	}
	if e.Tries > 1 {
		text += fmt.Sprintf(" (%d times)", e.Tries)
	}
	return text + ": " + e.text
}

// Unwrap returns what code decides on: the end of a context, a stall.
func (e *Error) Unwrap() error { return e.cause }

// How many bytes of a provider's code and message are kept.
const maxCode, maxMessage = 100, 300

func (b *Bucket) fail(ctx context.Context, verb, key string, tries int, err error) error {
	e := &Error{Verb: verb, Key: key, Status: status(err), Code: plain(b.scrub.text(ctx, code(err))), Tries: tries}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, errStalled, errShort, errGone} {
		if errors.Is(err, known) {
			e.cause = known
		}
	}
	switch answer := smithy.APIError(nil); {
	case e.cause != nil:
		e.text = e.cause.Error()
	case errors.As(err, &answer):
		e.text = fmt.Sprintf("the provider answers %d %.*s: %.*s", e.Status, maxCode, e.Code, maxMessage, b.scrub.text(ctx, answer.ErrorMessage()))
		e.text += hints[e.Code]
	default:
		e.text = err.Error()
	}
	e.text = plain(b.scrub.text(ctx, e.text))
	return e
}

// hints say what to do about the answers that people get first.
var hints = map[string]string{
	"AccessDenied":          "; the credentials lack a permission: see docs/bucket.md for the list",
	"Forbidden":             "; the credentials lack a permission: see docs/bucket.md for the list",
	"InvalidAccessKeyId":    "; the provider does not know these credentials: check the endpoint and the profile",
	"SignatureDoesNotMatch": "; the secret key is wrong, or a proxy changes requests",
	"RequestTimeTooSkewed":  "; set the clock of this machine",
}

// plain is a provider's text on one line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// minSecret: what is shorter keeps no secret, and is found in usual words.
const minSecret = 8

// scrubber takes credentials out of texts. A provider may repeat in an answer whatever
// it was sent.
type scrubber struct{ credentials aws.CredentialsProvider }

// String, so that printing a Bucket prints no credentials.
func (scrubber) String() string { return "" }

func (s scrubber) text(ctx context.Context, text string) string {
	creds, err := s.credentials.Retrieve(context.WithoutCancel(ctx)) // of a cache
	if err != nil {
		return text
	}
	for _, secret := range []string{creds.SecretAccessKey, creds.SessionToken, creds.AccessKeyID} {
		if len(secret) >= minSecret {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// status is that of HTTP, or 0.
func status(err error) int {
	if own := (*Error)(nil); errors.As(err, &own) {
		return own.Status
	}
	if answer := (*awshttp.ResponseError)(nil); errors.As(err, &answer) && answer.Response != nil {
		return answer.HTTPStatusCode()
	}
	return 0
}

// code is S3's, or "".
func code(err error) string {
	if own := (*Error)(nil); errors.As(err, &own) {
		return own.Code
	}
	if answer := smithy.APIError(nil); errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// transient reports whether the same request may succeed later.
func transient(err error) bool {
	switch n := status(err); n {
	case 0:
		return !errors.Is(err, errShort) && !errors.Is(err, errGone)
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusConflict: // another request for the object was under way
		return code(err) != "BucketAlreadyExists"
	case http.StatusBadRequest:
		return code(err) == "RequestTimeout"
	default:
		return n >= http.StatusInternalServerError && n != http.StatusNotImplemented && n != http.StatusHTTPVersionNotSupported ||
			n < http.StatusBadRequest && n != http.StatusNotModified && n != http.StatusMovedPermanently // an answer cut off
	}
}

// uncertain reports whether a request that failed so may have taken effect.
func uncertain(err error) bool {
	n := status(err)
	return err != nil && transient(err) && (n == 0 || n >= http.StatusInternalServerError || n < http.StatusMultipleChoices)
}

// refusal reports whether the provider found other bytes than those announced.
func refusal(err error) bool {
	switch code(err) {
	case "XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch":
		return true
	}
	return false
}
