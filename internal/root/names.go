package root

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
)

// Names of objects, and texts for people, that a root may have.

const indexExt = ".bundle"

// IndexName returns the name of the git bundle that leads up to a commit, made by the
// session with an epoch. Git makes different bytes for the same commit on another machine,
// so without the session two objects would have the same name: shards reach the same
// commit, and a suspended writer may find its object replaced.
func IndexName(commit string, epoch int64) string {
	return commit + "-" + strconv.FormatInt(epoch, 10) + indexExt
}

// IndexCommit returns the commit of an IndexName, or "" if it is invalid.
func IndexCommit(name string) string {
	commit, rest, _ := strings.Cut(name, "-")
	epoch, err := strconv.ParseInt(strings.TrimSuffix(rest, indexExt), 10, 64)
	if err != nil || epoch < 1 || checkCommit(commit) != nil || name != IndexName(commit, epoch) {
		return ""
	}
	return commit
}

// CatalogName returns the name of a snapshot of the catalog.
func CatalogName(generation int64) string { return strconv.FormatInt(generation, 10) + ".db.zst" }

func checkBundleName(name string) error {
	_, err := bundle.ParseFileName(name)
	return err
}

func checkSegmentName(name string) error {
	_, err := deep.ParseFileName(name)
	return err
}

// checkListName rejects names that a bundle or segment could have, because lists are in the
// same folder.
func checkListName(name string) error {
	if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".json") {
		return nil
	}
	return fmt.Errorf("%q is no list", name)
}

// checkName accepts names that are one element of a path on every system.
func checkName(name string) error {
	const also = "-_.+"
	ok := name != "" && len(name) <= maxName && name[0] != '.' && name[0] != '-'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(also, c) >= 0
	}
	if !ok {
		return fmt.Errorf("name %.80q", name)
	}
	return nil
}

// checkCommit accepts the id of a git commit, SHA-1 or SHA-256.
func checkCommit(id string) error {
	if (len(id) != 40 && len(id) != 64) || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("commit %.80q", id)
	}
	return nil
}

// checkWord accepts text that is safe on a terminal.
func checkWord(what, text string) error {
	if len(text) > maxWord {
		return fmt.Errorf("%s has %d bytes", what, len(text))
	}
	for _, c := range text {
		if c < ' ' || c > '~' {
			return fmt.Errorf("%s %.80q", what, text)
		}
	}
	return nil
}

// CheckShard returns why text is not a shard, or nil; "" is the whole mirror.
func CheckShard(text string) error {
	if text == "" {
		return nil
	}
	s, err := crate.ParseShard(text)
	if err == nil && s.All() { // which has another name
		err = fmt.Errorf("shard %q is all of a mirror", text)
	}
	return err
}
