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

// An Error is an error of a provider, or of the connection to it. It never contains
// credentials, whatever the response says.
type Error struct {
	Verb, Key string
	Status    int    // of HTTP; 0: no answer
	Code      string // S3 error code, such as "SlowDown"
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

// Unwrap returns the cause that callers decide on: the end of a context, a stall.
func (e *Error) Unwrap() error { return e.cause }

// Limits of a provider's code and message, in bytes.
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

// hints say what to do about the errors that users meet first.
var hints = map[string]string{
	"AccessDenied":          "; the credentials lack a permission: see docs/bucket.md for the list",
	"Forbidden":             "; the credentials lack a permission: see docs/bucket.md for the list",
	"InvalidAccessKeyId":    "; the provider does not know these credentials: check the endpoint and the profile",
	"SignatureDoesNotMatch": "; the secret key is wrong, or a proxy changes requests",
	"RequestTimeTooSkewed":  "; set the clock of this machine",
}

// plain returns a provider's text on one line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// minSecret is the shortest credential that is removed from texts: anything shorter is no
// secret, and occurs in ordinary words.
const minSecret = 8

// scrubber removes credentials from texts. A provider may repeat in its response anything
// that it received.
type scrubber struct{ credentials aws.CredentialsProvider }

// String returns "", so that printing a Bucket prints no credentials.
func (scrubber) String() string { return "" }

func (s scrubber) text(ctx context.Context, text string) string {
	creds, err := s.credentials.Retrieve(context.WithoutCancel(ctx)) // cached
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

// status returns the HTTP status, or 0.
func status(err error) int {
	if own := (*Error)(nil); errors.As(err, &own) {
		return own.Status
	}
	if answer := (*awshttp.ResponseError)(nil); errors.As(err, &answer) && answer.Response != nil {
		return answer.HTTPStatusCode()
	}
	return 0
}

// code returns the S3 error code, or "".
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
	case http.StatusConflict: // another request for the object was in progress
		return code(err) != "BucketAlreadyExists"
	case http.StatusBadRequest:
		return code(err) == "RequestTimeout"
	default:
		return n >= http.StatusInternalServerError && n != http.StatusNotImplemented && n != http.StatusHTTPVersionNotSupported ||
			n < http.StatusBadRequest && n != http.StatusNotModified && n != http.StatusMovedPermanently // a truncated response
	}
}

// uncertain reports whether a request that failed with err may have taken effect.
func uncertain(err error) bool {
	n := status(err)
	return err != nil && transient(err) && (n == 0 || n >= http.StatusInternalServerError || n < http.StatusMultipleChoices)
}

// refusal reports whether the provider received other bytes than those announced.
func refusal(err error) bool {
	switch code(err) {
	case "XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch":
		return true
	}
	return false
}
