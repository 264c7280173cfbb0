package durable

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// The ways to publish on file systems with fewer features.
func TestPublishFallbacks(t *testing.T) {
	for name, publish := range map[string]func(root *os.Root, temp, name string) error{
		"link": publishByLink, "rename": publishByRename,
	} {
		t.Run(name, func(t *testing.T) {
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			write := func(name, data string) {
				t.Helper()
				if err := root.WriteFile(name, []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("temp", "one")
			if err := publish(root, "temp", "final"); err != nil {
				t.Fatal(err)
			}
			if _, err := root.Lstat("temp"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary name: %v", err)
			}
			write("temp", "two")
			if err := publish(root, "temp", "final"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("publishing over a file: %v", err)
			}
			if got, err := root.ReadFile("final"); err != nil || string(got) != "one" {
				t.Errorf("final holds %q, %v", got, err)
			}
			if err := root.Symlink("nothing", "link"); err == nil {
				if err := publish(root, "temp", "link"); !errors.Is(err, fs.ErrExist) {
					t.Errorf("publishing over a dangling link: %v", err)
				}
			}
			if err := publish(root, "no", "new"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("publishing nothing: %v", err)
			}
		})
	}
}

// If it is interrupted between link and remove, the file has two names. Publishing again
// completes it; Append must not write to it under either name.
func TestPublishByLinkIsFinished(t *testing.T) {
	fsys, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	root := fsys.(*folder).root
	if err := WriteFile(fsys, "x.part", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := root.Link("x.part", "x"); err != nil {
		t.Skip(err)
	}
	if _, err := fsys.Append("x.part"); !errors.Is(err, ErrLinked) {
		t.Errorf("Append = %v", err)
	}
	if err := publishByLink(root, "x.part", "x"); err != nil {
		t.Error(err)
	}
	if _, err := fsys.Stat("x.part"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary name: %v", err)
	}
	if got, err := ReadFile(fsys, "x", 10); err != nil || string(got) != "whole" {
		t.Errorf("x holds %q, %v", got, err)
	}
}
