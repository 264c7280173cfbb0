package download_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// large returns more bytes than a download keeps in memory.
func large() []byte {
	data := make([]byte, 30<<20+12345)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

// A check sees every byte of the file, however it reads: from front to end, parts twice,
// and the end first.
func TestCheckSeesAllBytes(t *testing.T) {
	data := large()
	want := download.Want{Size: int64(len(data)), Checksum: sha256.Sum256(data)}
	for name, offsets := range map[string]func(yield func(int) bool){
		"forward": func(yield func(int) bool) {
			for at := 0; at < len(data) && yield(at) && yield(max(0, at-1<<20)); at += 1 << 20 {
			}
		},
		"backward": func(yield func(int) bool) {
			for at := len(data); at > 0 && yield(max(0, at-3<<20)); at -= 3 << 20 {
			}
		},
	} {
		for _, left := range []int{0, len(data) / 2} {
			if left > 0 && name == "backward" {
				continue
			}
			disk := durabletest.NewMem()
			write(t, disk, data[:left:left])
			seen := 0
			want.Check = func(file io.ReaderAt) error {
				buf := make([]byte, 3<<20)
				for at := range offsets {
					part := buf[:min(len(buf), len(data)-at)]
					if n, err := file.ReadAt(part, int64(at)); n < len(part) || !bytes.Equal(part, data[at:][:n]) {
						t.Errorf("%s: %d of %d bytes at %d, %v", name, n, len(part), at, err)
					}
					seen++
				}
				return nil
			}
			if err := download.File(t.Context(), with(t, data), key, want, disk, name); err != nil || seen == 0 {
				t.Errorf("%s: %v, %d reads", name, err, seen)
			}
		}
	}
}

var errFound = errors.New("found")

// What a check finds ends the download, and nothing is left; an error of a check that
// lacked bytes says nothing, and the received bytes are kept.
func TestCheckFinds(t *testing.T) {
	data := large()
	want := download.Want{Size: int64(len(data)), Checksum: sha256.Sum256(data)}
	want.Check = func(file io.ReaderAt) error {
		if _, err := file.ReadAt(make([]byte, 100), 5<<20); err != nil {
			return err
		}
		return errFound
	}
	disk := durabletest.NewMem()
	if err := download.File(t.Context(), with(t, data), key, want, disk, name); !errors.Is(err, errFound) {
		t.Error(err)
	}
	if entries, _ := disk.ReadDir("."); len(entries) > 0 {
		t.Errorf("%v is left", entries)
	}
	err := download.File(t.Context(), &cutting{with(t, data), 0}, key, want, disk, name)
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errFound) {
		t.Error(err)
	}
	if _, err := disk.Stat(name + download.Ext); err != nil {
		t.Errorf("what came: %v", err)
	}
}

// A check that could not decide keeps the received bytes, and the next call resumes.
func TestCheckUndecided(t *testing.T) {
	data := large()
	want := download.Want{Size: int64(len(data)), Checksum: sha256.Sum256(data)}
	want.Check = func(file io.ReaderAt) error {
		if _, err := file.ReadAt(make([]byte, 1), int64(len(data)-1)); err != nil {
			return err
		}
		return &download.UndecidedError{Err: errFound}
	}
	disk := durabletest.NewMem()
	for range 2 { // the second time it is resumed, and not taken for torn
		if err := download.File(t.Context(), with(t, data), key, want, disk, name); !errors.Is(err, errFound) {
			t.Error(err)
		}
		if info, err := disk.Stat(name + download.Ext); err != nil || info.Size() != want.Size {
			t.Fatalf("what came: %v, %v", info, err)
		}
	}
	want.Check = nil
	if err := download.File(t.Context(), with(t, nil), key, want, disk, name); err != nil {
		t.Errorf("of what is here: %v", err)
	}
}

// A check that fails on a file from an earlier call, torn by a power cut, runs again on the
// new bytes.
func TestCheckOfTornFile(t *testing.T) {
	torn := bytes.Clone(good)
	torn[3] ^= 1
	disk := durabletest.NewMem()
	write(t, disk, torn)
	want, checks := wanted(), 0
	want.Check = func(file io.ReaderAt) error {
		checks++
		got := make([]byte, len(good))
		if _, err := file.ReadAt(got, 0); err != nil || !bytes.Equal(got, good) {
			return errors.Join(errFound, err)
		}
		return nil
	}
	if err := download.File(t.Context(), with(t, good), key, want, disk, name); err != nil || checks != 2 {
		t.Errorf("%d checks: %v", checks, err)
	}
}

// A full disk ends a checked download, and its check.
func TestCheckAndFullDisk(t *testing.T) {
	data := large()
	want := download.Want{Size: int64(len(data)), Checksum: sha256.Sum256(data), Check: func(file io.ReaderAt) error {
		_, err := file.ReadAt(make([]byte, 1), int64(len(data)-1))
		return err
	}}
	disk := durabletest.FailAt(durabletest.NewMem(), 4, fs.ErrPermission, true, false)
	if err := download.File(t.Context(), with(t, data), key, want, disk, name); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}
