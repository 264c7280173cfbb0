//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// unpack writes the files of a repository's HEAD below dir. It skips files whose blobs are
// missing, at which git's own commands would stop.
func unpack(repository, dir string) error {
	listed, err := exec.Command("git", "-C", repository, "ls-tree", "-r", "HEAD").Output()
	if err != nil {
		return fmt.Errorf("listing the files of %s: %w", repository, err)
	}
	var hashes strings.Builder
	var paths []string
	for line := range strings.Lines(string(listed)) {
		about, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		fields := strings.Fields(about) // mode, type, hash
		if len(fields) == 3 && filepath.IsLocal(path) {
			paths = append(paths, path)
			fmt.Fprintln(&hashes, fields[2])
		}
	}
	cmd := exec.Command("git", "-C", repository, "cat-file", "--batch", "--buffer")
	cmd.Stdin = strings.NewReader(hashes.String())
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	blobs := bufio.NewReaderSize(out, 1<<20)
	for _, path := range paths {
		if err := unpackFile(blobs, filepath.Join(dir, path)); err != nil {
			return fmt.Errorf("unpacking %s: %w", path, err)
		}
	}
	return cmd.Wait()
}

// unpackFile writes the next blob to a file, unless it is missing.
func unpackFile(blobs *bufio.Reader, path string) error {
	head, err := blobs.ReadString('\n')
	if err != nil || strings.HasSuffix(head, " missing\n") {
		return err
	}
	var hash, kind string
	var size int64
	if _, err := fmt.Sscan(head, &hash, &kind, &size); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, blobs, size); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	_, err = blobs.Discard(1) // the newline after it
	return err
}
