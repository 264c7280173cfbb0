package export

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// claimName is the object that names the last run that wrote to the bucket, and the commit
// of the tree.
const claimName = StateDir + "/export.json"

// maxClaim bounds its size in bytes.
const maxClaim = 4096

// ErrOvertaken says that another run began to export to the bucket after this one.
var ErrOvertaken = errors.New("another export to this bucket has begun: let one machine do it")

type claimed struct {
	Format int    `json:"format"` // 1
	AsOf   string `json:"as_of,omitempty"`
	Run    string `json:"run"`
}

// bucketClaim is a run's claim to a bucket.
type bucketClaim struct {
	to       bucket.Bucket
	was, run string // the previous and the current run; was is empty if the bucket is new
	tag      bucket.Tag
}

// claimBucket claims the bucket for this run. Errors: *PointError; ErrForeign.
func claimBucket(ctx context.Context, to bucket.Bucket, asOf string) (*bucketClaim, error) {
	have, when, err := readClaim(ctx, to)
	if err != nil {
		return nil, err
	}
	if have.Run != "" && have.AsOf != asOf {
		return nil, &PointError{Want: asOf, Have: have.AsOf}
	}
	c := &bucketClaim{to: to, was: have.Run, run: rand.Text()}
	text, err := json.Marshal(claimed{Format: 1, AsOf: asOf, Run: c.run})
	if err != nil {
		return nil, err
	}
	c.tag, err = to.Put(ctx, claimName, bucket.Bytes(text), when)
	if errors.Is(err, bucket.ErrExists) || errors.Is(err, bucket.ErrChanged) {
		err = ErrOvertaken
	}
	return c, err
}

func readClaim(ctx context.Context, to bucket.Bucket) (have claimed, when bucket.Condition, err error) {
	data, o, err := bucket.ReadAll(ctx, to, claimName, bucket.Ask{}, maxClaim)
	if errors.Is(err, fs.ErrNotExist) {
		return have, bucket.Absent(), isEmpty(ctx, to)
	}
	if err == nil {
		err = json.Unmarshal(data, &have)
	}
	if err == nil && (have.Format != 1 || have.Run == "") {
		err = fmt.Errorf("format %d is not known", have.Format)
	}
	if err != nil {
		return have, when, fmt.Errorf("reading %s in %s: %w", claimName, to, err)
	}
	return have, bucket.Unchanged(o.Tag), nil
}

// isEmpty returns ErrForeign if a bucket has any object except those of a probe.
func isEmpty(ctx context.Context, to bucket.Bucket) error {
	for o, err := range to.List(ctx, "") {
		if err != nil {
			return err
		}
		if !strings.HasPrefix(o.Key, bucket.ProbeDir+"/") {
			return ErrForeign
		}
	}
	return nil
}

// check returns an error once another run has claimed the bucket.
func (c *bucketClaim) check(ctx context.Context) error {
	o, err := c.to.Head(ctx, claimName)
	if err == nil && o.Tag != c.tag || errors.Is(err, fs.ErrNotExist) {
		return ErrOvertaken
	}
	return err
}
