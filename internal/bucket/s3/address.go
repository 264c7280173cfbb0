package s3

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Address locates a bucket. It contains no credentials.
type Address struct {
	Bucket string
	Prefix string // prepended to every key, without slashes at its ends; may be empty
	// Endpoint is the URL of a provider other than Amazon. Empty: AWS_ENDPOINT_URL, or
	// Amazon.
	Endpoint string
	Region   string // empty: AWS_REGION
	// VirtualHost puts the bucket into the host name (style=virtual), as at Amazon.
	// Otherwise it is the first part of the path, as usual at other providers.
	VirtualHost bool
}

// bucketName matches what Amazon allows, and "_" and capitals, which old buckets have.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$`)

// ParseAddress parses s3://BUCKET/PREFIX?endpoint=URL&region=REGION&style=path.
func ParseAddress(text string) (Address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Fragment != "" || u.Opaque != "" {
		return Address{}, fmt.Errorf("no address of a bucket: one is s3://BUCKET/PREFIX?endpoint=URL&region=REGION")
	}
	if u.User != nil {
		return Address{}, fmt.Errorf("the address s3://%s has credentials in it, which it must not: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", u.Host)
	}
	at := Address{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return at, fmt.Errorf("address s3://%s: what follows the ? cannot be read", u.Host)
	}
	for name, values := range query {
		if err := at.set(name, values); err != nil {
			return at, fmt.Errorf("address s3://%s: %w", u.Host, err)
		}
	}
	return at, at.check()
}

func (a *Address) set(name string, values []string) error {
	switch {
	case len(values) != 1:
		return fmt.Errorf("%q is given %d times", name, len(values))
	case name == "endpoint":
		a.Endpoint = values[0]
	case name == "region":
		a.Region = values[0]
	case name == "style" && (values[0] == "path" || values[0] == "virtual"):
		a.VirtualHost = values[0] == "virtual"
	default:
		return fmt.Errorf("%q is none of endpoint=URL, region=REGION, style=path, style=virtual", name)
	}
	return nil
}

func (a *Address) check() error {
	if !bucketName.MatchString(a.Bucket) {
		return fmt.Errorf("%q is no name of a bucket: it has 3 to 63 letters, digits, dots and hyphens", a.Bucket)
	}
	if a.Prefix != "" {
		if err := bucket.CheckKey(a.Prefix); err != nil {
			return fmt.Errorf("prefix of s3://%s: %w", a.Bucket, err)
		}
	}
	if a.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(a.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("endpoint of s3://%s is no URL of a provider, such as https://s3.example.org", a.Bucket)
	}
	if u.User != nil {
		return fmt.Errorf("endpoint of s3://%s has credentials in it, which it must not", a.Bucket)
	}
	return nil
}

// String returns the address in the form that ParseAddress parses.
func (a Address) String() string {
	u := url.URL{Scheme: "s3", Host: a.Bucket, Path: "/" + a.Prefix}
	query := url.Values{}
	if a.Endpoint != "" {
		query.Set("endpoint", a.Endpoint)
	}
	if a.Region != "" {
		query.Set("region", a.Region)
	}
	if a.VirtualHost {
		query.Set("style", "virtual")
	}
	u.RawQuery = query.Encode()
	return u.String()
}
