//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
)

const (
	document = "docs/measurements.md"
	begins   = "<!-- make bench-all writes what follows -->\n"
	ends     = "<!-- until here -->\n"
)

// writeSection writes results, by title, into the section of the document. Benches that did
// not run keep their earlier results.
func writeSection(path, machine string, measured map[string][]byte) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(text, []byte(begins))
	section, after, ended := bytes.Cut(rest, []byte(ends))
	if !found || !ended {
		return fmt.Errorf("%s: the lines %q and %q are not there", path, begins, ends)
	}
	out := append(bytes.Clone(before), begins+"\n"+machine...)
	earlier := byTitle(section)
	for _, b := range benches() {
		now, ran := measured[b.title]
		if !ran {
			now = earlier[b.title]
		}
		out = append(out, now...)
	}
	out = append(out, "\n"+ends...)
	return os.WriteFile(path, append(out, after...), 0o644)
}

// byTitle splits a section at its headings.
func byTitle(section []byte) map[string][]byte {
	parts := map[string][]byte{}
	for _, part := range bytes.Split(section, []byte("\n### "))[1:] {
		title, _, _ := bytes.Cut(part, []byte("\n"))
		parts[string(title)] = append([]byte("\n### "), append(bytes.TrimRight(part, "\n"), '\n')...)
	}
	return parts
}
