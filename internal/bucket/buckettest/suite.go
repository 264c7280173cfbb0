// Package buckettest has tools to test buckets: the contract as a suite that every bucket
// must pass ([Run]), a bucket that fails on request ([Faulty]), and a real server
// ([StartVersity]). Only tests import it.
package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Run checks the contract of package bucket on the buckets that open returns, each empty.
func Run(t *testing.T, open func(t *testing.T) bucket.Bucket) {
	for name, test := range map[string]func(*testing.T, bucket.Bucket){
		"what is put is there": putGet,
		"conditions":           conditions,
		"ranges":               ranges,
		"tags":                 tags,
		"wrong bytes":          wrongBytes,
		"keys":                 keys,
		"list":                 list,
		"remove":               remove,
		"upload":               upload,
		"one creates":          oneCreates,
		"one replaces":         oneReplaces,
		"cancelled":            cancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func putGet(t *testing.T, b bucket.Bucket) {
	for _, data := range []string{"", "x", strings.Repeat("a crate", 30_000)} {
		key := fmt.Sprint("dir/of-", len(data))
		body := bucket.Bytes([]byte(data))
		body.ContentType, body.CacheControl = "text/plain", "max-age=60"
		tag := put(t, b, key, body, bucket.Absent())
		got, o, err := bucket.ReadAll(t.Context(), b, key, bucket.Ask{}, 1<<20)
		if err != nil || string(got) != data {
			t.Fatalf("%d bytes came back as %d: %v", len(data), len(got), err)
		}
		if o.Key != key || o.Size != int64(len(data)) || o.Tag != tag || tag == "" {
			t.Errorf("Get describes %+v, tag of Put is %s", o, tag)
		}
		if head, err := b.Head(t.Context(), key); err != nil || head.Tag != tag || head.Size != o.Size || head.Key != key {
			t.Errorf("Head = %+v, %v", head, err)
		}
	}
	if _, _, err := bucket.ReadAll(t.Context(), b, "dir/of-1", bucket.Ask{}, 0); !errors.Is(err, bucket.ErrTooLarge) {
		t.Errorf("one byte where none is to be: %v", err)
	}
	for _, key := range []string{"absent", "dir", "dir/of-1/below", "dir/absent"} {
		if _, err := b.Head(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Head(%s) = %v", key, err)
		}
		if _, _, err := b.Get(t.Context(), key, bucket.Ask{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get(%s) = %v", key, err)
		}
	}
}

func conditions(t *testing.T, b bucket.Bucket) {
	first := put(t, b, "k", bucket.Bytes([]byte("1")), bucket.Absent())
	refused(t, b, "k", bucket.Absent(), bucket.ErrExists, "1")
	second := put(t, b, "k", bucket.Bytes([]byte("22")), bucket.Unchanged(first))
	refused(t, b, "k", bucket.Unchanged(first), bucket.ErrChanged, "22")
	put(t, b, "k", bucket.Bytes([]byte("333")), bucket.Always())
	refused(t, b, "k", bucket.Unchanged(second), bucket.ErrChanged, "333")
	put(t, b, "new", bucket.Bytes([]byte("1")), bucket.Always())
	if _, err := b.Put(t.Context(), "gone", bucket.Bytes([]byte("1")), bucket.Unchanged(first)); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("replacing what is not there: %v", err)
	}
	if _, err := b.Head(t.Context(), "gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("and then it is there: %v", err)
	}
}

// refused checks that a Put under this condition fails and changes nothing.
func refused(t *testing.T, b bucket.Bucket, key string, when bucket.Condition, want error, content string) {
	t.Helper()
	if _, err := b.Put(t.Context(), key, bucket.Bytes([]byte("other")), when); !errors.Is(err, want) {
		t.Errorf("Put = %v, want %v", err, want)
	}
	has(t, b, key, content)
}

func has(t *testing.T, b bucket.Bucket, key, content string) {
	t.Helper()
	got, _, err := bucket.ReadAll(t.Context(), b, key, bucket.Ask{}, 1<<20)
	if err != nil || string(got) != content {
		t.Errorf("%s has %.40q, %v, want %.40q", key, got, err, content)
	}
}

func ranges(t *testing.T, b bucket.Bucket) {
	const data = "0123456789"
	put(t, b, "k", bucket.Bytes([]byte(data)), bucket.Absent())
	for _, test := range []struct {
		ask  bucket.Ask
		want string
	}{
		{bucket.Ask{}, data},
		{bucket.Ask{Length: 3}, "012"},
		{bucket.Ask{Offset: 3, Length: 4}, "3456"},
		{bucket.Ask{Offset: 9, Length: 1}, "9"},
		{bucket.Ask{Offset: 4}, "456789"},
		{bucket.Ask{Offset: 8, Length: 100}, "89"},
		{bucket.Ask{Length: 10}, data},
	} {
		got, o, err := bucket.ReadAll(t.Context(), b, "k", test.ask, 100)
		if err != nil || string(got) != test.want || o.Size != 10 {
			t.Errorf("%+v: %q of %d bytes, %v, want %q", test.ask, got, o.Size, err, test.want)
		}
	}
	for _, ask := range []bucket.Ask{{Offset: 10}, {Offset: 11, Length: 1}, {Offset: -1}, {Length: -1}} {
		if _, _, err := b.Get(t.Context(), "k", ask); !errors.Is(err, bucket.ErrRange) {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}

func tags(t *testing.T, b bucket.Bucket) {
	first := put(t, b, "k", bucket.Bytes([]byte("1")), bucket.Absent())
	if _, _, err := b.Get(t.Context(), "k", bucket.Ask{Unless: first}); !errors.Is(err, bucket.ErrNotModified) {
		t.Errorf("unchanged: %v", err)
	}
	read := func(ask bucket.Ask, want string) {
		t.Helper()
		if got, _, err := bucket.ReadAll(t.Context(), b, "k", ask, 100); err != nil || string(got) != want {
			t.Errorf("%+v: %q, %v", ask, got, err)
		}
	}
	read(bucket.Ask{Same: first}, "1")
	second := put(t, b, "k", bucket.Bytes([]byte("22")), bucket.Unchanged(first))
	read(bucket.Ask{Unless: first}, "22")
	read(bucket.Ask{Same: second, Offset: 1, Length: 1}, "2")
	if _, _, err := b.Get(t.Context(), "k", bucket.Ask{Same: first, Offset: 1}); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("changed: %v", err)
	}
}

func wrongBytes(t *testing.T, b bucket.Bucket) {
	body := bucket.Bytes([]byte("announced"))
	body.Data = strings.NewReader("delivered")
	for name, err := range map[string]error{
		"Put": func() error {
			_, err := b.Put(t.Context(), "k", body, bucket.Absent())
			return err
		}(),
		"Upload": func() error {
			_, err := b.Upload(t.Context(), "k", body, nil)
			return err
		}(),
	} {
		if wrong := (*bucket.RefusedError)(nil); !errors.As(err, &wrong) || wrong.Want != body.Checksum || wrong.Key != "k" {
			t.Errorf("%s of wrong bytes: %v", name, err)
		}
	}
	if _, err := b.Head(t.Context(), "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("wrong bytes are stored: %v", err)
	}
	body.Data = strings.NewReader("short")
	if _, err := b.Put(t.Context(), "k", body, bucket.Absent()); err == nil {
		t.Error("a body that ends early was stored")
	}
}

func keys(t *testing.T, b bucket.Bucket) {
	for _, key := range []string{"a+b/c+1.0.0.crate", "a b", "A/a", "a/A", "é/ü%2B", "x&y=z?#", "crates/CON~1", "a~b'(c)*!"} {
		put(t, b, key, bucket.Bytes([]byte(key)), bucket.Absent())
		has(t, b, key, key)
		for o, err := range b.List(t.Context(), key) {
			if err != nil || o.Key != key {
				t.Errorf("listed as %q, %v, want %q", o.Key, err, key)
			}
		}
	}
	for _, key := range []string{"", ".", "/a", "a/", "a//b", "../a", "a/../b", "a\nb", "a\\b", "\xff", strings.Repeat("a", 1025)} {
		if _, err := b.Put(t.Context(), key, bucket.Bytes(nil), bucket.Always()); err == nil {
			t.Errorf("%.20q was stored", key)
		}
		if _, err := b.Head(t.Context(), key); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Head(%.20q) = %v", key, err)
		}
	}
}

func list(t *testing.T, b bucket.Bucket) {
	want := []string{"a", "b-c", "b/c", "b/d/e", "b0"}
	for _, key := range want {
		put(t, b, key, bucket.Bytes([]byte(key)), bucket.Absent())
	}
	for prefix, want := range map[string][]string{
		"": want, "b": want[1:], "b/": {"b/c", "b/d/e"}, "b/d": {"b/d/e"}, "c": nil, "b/c": {"b/c"}, "b/c/": nil,
	} {
		var got []string
		for o, err := range b.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			if head, err := b.Head(t.Context(), o.Key); err != nil || head.Size != o.Size || head.Tag != o.Tag {
				t.Errorf("listed as %+v, described as %+v, %v", o, head, err)
			}
			got = append(got, o.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("List(%q) (-want +got):\n%s", prefix, diff)
		}
	}
	for range b.List(t.Context(), "") {
		break // the caller may stop early
	}
}

func remove(t *testing.T, b bucket.Bucket) {
	put(t, b, "d/k", bucket.Bytes([]byte("1")), bucket.Absent())
	for range 2 {
		if err := b.Remove(t.Context(), "d/k"); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Head(t.Context(), "d/k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	put(t, b, "d/k", bucket.Bytes([]byte("2")), bucket.Absent())
}

func upload(t *testing.T, b bucket.Bucket) {
	body := bucket.Bytes(bytes.Repeat([]byte("0123456789abcdef"), 1<<14))
	first, err := b.Upload(t.Context(), "k", body, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tag, equal, err := bucket.Holds(t.Context(), b, "k", body); err != nil || !equal || tag != first {
		t.Errorf("what was uploaded: %s, %v, %v", tag, equal, err)
	}
	if again, err := b.Upload(t.Context(), "k", body, nil); err != nil || again != first {
		t.Errorf("the same again: %s, %v", again, err)
	}
	if _, err := b.Upload(t.Context(), "k", bucket.Bytes([]byte("other")), nil); !errors.Is(err, bucket.ErrExists) {
		t.Errorf("other bytes: %v", err)
	}
}

// oneCreates checks that of many concurrent creates of one key, one succeeds.
func oneCreates(t *testing.T, b bucket.Bucket) {
	for round := range 5 {
		key, won := fmt.Sprint("race/", round), atomic.Int64{}
		var winner string
		at(8, func(n int) {
			text := fmt.Sprintf("writer %d", n)
			switch _, err := b.Put(t.Context(), key, bucket.Bytes([]byte(text)), bucket.Absent()); {
			case err == nil:
				won.Add(1)
				winner = text
			case !errors.Is(err, bucket.ErrExists):
				t.Error(err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("%d of 8 created %s", won.Load(), key)
		}
		has(t, b, key, winner)
	}
}

// oneReplaces checks that no update is lost.
func oneReplaces(t *testing.T, b bucket.Bucket) {
	put(t, b, "count", bucket.Bytes(nil), bucket.Absent())
	var won atomic.Int64
	at(4, func(n int) {
		for range 5 {
			old, o, err := bucket.ReadAll(t.Context(), b, "count", bucket.Ask{}, 1<<10)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = b.Put(t.Context(), "count", bucket.Bytes(append(old, byte('a'+n))), bucket.Unchanged(o.Tag))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, bucket.ErrChanged) {
				t.Error(err)
			}
		}
	})
	if o, err := b.Head(t.Context(), "count"); err != nil || o.Size != won.Load() || o.Size == 0 {
		t.Errorf("%d updates succeeded, %d are there, %v", won.Load(), o.Size, err)
	}
}

func at(n int, do func(n int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func cancelled(t *testing.T, b bucket.Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, put := b.Put(ctx, "k", bucket.Bytes([]byte("1")), bucket.Absent())
	_, head := b.Head(ctx, "k")
	_, _, get := b.Get(ctx, "k", bucket.Ask{})
	var list error
	for _, err := range b.List(ctx, "") {
		list = err
	}
	for name, err := range map[string]error{"Put": put, "Head": head, "Get": get, "List": list} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v", name, err)
		}
	}
}

func put(t *testing.T, b bucket.Bucket, key string, body bucket.Body, when bucket.Condition) bucket.Tag {
	t.Helper()
	tag, err := b.Put(t.Context(), key, body, when)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}
