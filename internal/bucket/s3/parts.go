package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// upload is an upload in progress. state is what is saved of it; mu guards its parts.
type upload struct {
	b     *Bucket
	key   string
	body  bucket.Body
	parts bucket.Parts

	mu    sync.Mutex
	state state
}

// state is what bucket.Parts stores. It includes checksums, because some providers' lists
// of parts have none (SeaweedFS).
type state struct {
	Key      string `json:"key"`
	ID       string `json:"upload"`
	Size     int64  `json:"size"`
	Checksum string `json:"sha256"`
	PartSize int64  `json:"part_size"`
	Parts    []part `json:"parts"` // without a tag: not sent
}

type part struct {
	Checksum string `json:"sha256"`
	Tag      string `json:"tag"`
}

// abortStall bounds how long a program that is exiting waits for the removal of parts.
const abortStall = 5 * time.Second

// partSize returns the smallest part size that needs at most maxParts parts, but not less
// than usual, in bytes.
func partSize(usual, size int64) int64 { return max(usual, (size+maxParts-1)/maxParts) }

func (u *upload) count() int {
	return int((u.state.Size + u.state.PartSize - 1) / u.state.PartSize)
}

func (u *upload) span(n int) (offset, size int64) {
	offset = int64(n) * u.state.PartSize
	return offset, min(u.state.PartSize, u.state.Size-offset)
}

func (u *upload) has(n int) bool { return u.state.Parts[n].Tag != "" }

// begin resumes the saved upload, or begins one.
func (u *upload) begin(ctx context.Context) error {
	ok, err := u.load()
	if err == nil && ok {
		ok, err = u.resume(ctx)
	}
	if err != nil || ok {
		return err
	}
	u.state = u.fresh()
	in := &api.CreateMultipartUploadInput{
		Bucket: &u.b.at.Bucket, Key: u.b.key(u.key), ContentType: textOrNil(u.body.ContentType), CacheControl: textOrNil(u.body.CacheControl),
	}
	err = u.b.try(ctx, "beginning the upload of", u.key, func(w *watch) error {
		out, err := u.b.client.CreateMultipartUpload(w.ctx, in)
		if err == nil {
			u.state.ID = aws.ToString(out.UploadId)
		}
		return err
	})
	if err != nil {
		return err
	}
	return u.save()
}

func (u *upload) fresh() state {
	s := state{Key: *u.b.key(u.key), Size: u.body.Size, Checksum: u.body.Checksum.String(), PartSize: partSize(u.b.opts.PartSize, u.body.Size)}
	s.Parts = make([]part, (s.Size+s.PartSize-1)/s.PartSize)
	return s
}

// load reads the saved upload, and reports whether it matches the body.
func (u *upload) load() (bool, error) {
	if u.parts == nil {
		return false, nil
	}
	data, err := u.parts.Load()
	if err != nil || data == nil {
		return false, err
	}
	var s state
	if json.Unmarshal(data, &s) != nil {
		return false, nil
	}
	want := u.fresh()
	if s.ID == "" || s.Key != want.Key || s.Size != want.Size || s.Checksum != want.Checksum || s.PartSize != want.PartSize || len(s.Parts) != len(want.Parts) {
		return false, nil
	}
	u.state = s
	return true, nil
}

// resume keeps those of the saved parts that the provider also has.
func (u *upload) resume(ctx context.Context) (bool, error) {
	there := make([]bool, len(u.state.Parts))
	in := &api.ListPartsInput{Bucket: &u.b.at.Bucket, Key: u.b.key(u.key), UploadId: &u.state.ID}
	for range maxParts { // a page has at least one
		var out *api.ListPartsOutput
		err := u.b.try(ctx, "listing the parts of", u.key, func(w *watch) (err error) {
			out, err = u.b.client.ListParts(w.ctx, in)
			return err
		})
		if status(err) == http.StatusNotFound {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, p := range out.Parts {
			n := int(aws.ToInt32(p.PartNumber)) - 1
			if n < 0 || n >= len(there) {
				continue
			}
			_, size := u.span(n)
			there[n] = aws.ToInt64(p.Size) == size && aws.ToString(p.ETag) == u.state.Parts[n].Tag
		}
		if !aws.ToBool(out.IsTruncated) || len(out.Parts) == 0 {
			break
		}
		in.PartNumberMarker = out.NextPartNumberMarker
	}
	for n := range there {
		if !there[n] {
			u.state.Parts[n] = part{}
		}
	}
	return true, nil
}

func (u *upload) sent(n int, p part) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state.Parts[n] = p
	return u.save()
}

func (u *upload) save() error {
	if u.parts == nil {
		return nil
	}
	data, err := json.Marshal(u.state)
	if err == nil {
		err = u.parts.Save(data)
	}
	if err != nil {
		return fmt.Errorf("remembering the upload of %q: %w", u.key, err)
	}
	return nil
}

// end forgets an upload that cannot be resumed, and removes its parts, which cost money. An
// interrupted upload whose state is saved stays for the next call.
func (u *upload) end(ctx context.Context, err error) error {
	over := err == nil || errors.Is(err, errGone) || errors.Is(err, bucket.ErrExists)
	if !over && u.parts != nil {
		return err
	}
	if err != nil {
		u.b.abort(ctx, u.key, u.state.ID)
	}
	if u.parts == nil {
		return err
	}
	return errors.Join(err, u.parts.Save(nil))
}

// forget forgets the upload of an object that turned out to be there: an earlier call
// completed it as it was interrupted, or another machine stored it.
func (b *Bucket) forget(ctx context.Context, key string, parts bucket.Parts, err error) error {
	if parts == nil || err != nil && !errors.Is(err, bucket.ErrExists) {
		return err
	}
	data, cause := parts.Load()
	if cause != nil || data == nil {
		return errors.Join(err, cause)
	}
	var s state
	if json.Unmarshal(data, &s) == nil && s.Key == *b.key(key) && s.ID != "" {
		b.abort(ctx, key, s.ID)
	}
	return errors.Join(err, parts.Save(nil))
}

// abort removes the parts of an upload. It tries once: the lifecycle rule that
// docs/bucket.md advises removes what remains.
func (b *Bucket) abort(ctx context.Context, key, id string) {
	err := once(context.WithoutCancel(ctx), min(abortStall, b.opts.Stall), func(w *watch) error {
		_, err := b.client.AbortMultipartUpload(w.ctx, &api.AbortMultipartUploadInput{Bucket: &b.at.Bucket, Key: b.key(key), UploadId: &id})
		return err
	})
	if err != nil {
		b.opts.Log.DebugContext(ctx, "parts of an upload stay", "error", b.fail(ctx, "removing the parts of", key, 1, err))
	}
}
