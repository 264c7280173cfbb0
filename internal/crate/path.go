package crate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ext is the extension of crate files.
const Ext = ".crate"

// IndexPath returns the slash-separated path of a crate's file in an index:
// "1/a", "2/ab", "3/a/abc", "ab/cd/abcd". The name must be valid.
func IndexPath(name string) string {
	n := strings.ToLower(name)
	return indexDir(n) + "/" + n
}

// indexDir returns the folder of an index path, in the case of name.
func indexDir(name string) string {
	switch len(name) {
	case 1, 2:
		return strconv.Itoa(len(name))
	case 3:
		return "3/" + name[:1]
	default:
		return name[:2] + "/" + name[2:4]
	}
}

// CheckIndexPath reports whether p is a path at which an index may keep a crate's lines;
// README, config.json, .git and editor backups are not.
func CheckIndexPath(p string) bool {
	return CheckName(path.Base(p)) == nil && IsIndexPath(p)
}

// IsIndexPath reports whether p is where cargo looks for the lines of a crate, whether or
// not [CheckName] accepts its name.
func IsIndexPath(p string) bool {
	name := path.Base(p)
	return isCargoName(name) && p == IndexPath(name)
}

// isCargoName reports whether cargo accepts the name of a crate: letters and digits of any
// script, "-" and "_".
func isCargoName(name string) bool {
	for _, r := range name {
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return false
		}
	}
	return name != ""
}

// FileName returns "{name}-{version}.crate".
func (id ID) FileName() string { return id.Name + "-" + id.Version + Ext }

// ParseFileName is the inverse of [ID.FileName]. It is unambiguous because a name has no
// dot and a version starts with a number and a dot.
func ParseFileName(base string) (ID, error) {
	stem, ok := strings.CutSuffix(base, Ext)
	dot := strings.IndexByte(stem, '.')
	if !ok || dot < 0 {
		return ID{}, fmt.Errorf("%s is not {name}-{version}%s", quote(base), Ext)
	}
	dash := strings.LastIndexByte(stem[:dot], '-')
	if dash < 0 {
		return ID{}, fmt.Errorf("%s is not {name}-{version}%s", quote(base), Ext)
	}
	id := ID{Name: stem[:dash], Version: stem[dash+1:]}
	return id, id.Check()
}

// LoosePath returns the slash-separated path of the crate file in the shard
// layout. The id must be valid.
func (id ID) LoosePath() string { return LooseDir(id.Name) + "/" + id.FileName() }

// ParseLoosePath is the inverse of [ID.LoosePath].
func ParseLoosePath(p string) (ID, error) {
	id, err := ParseFileName(path.Base(p))
	if err == nil && id.LoosePath() != p {
		err = fmt.Errorf("%s belongs at %s", id, id.LoosePath())
	}
	return id, err
}

// RepublishedDir is the folder of RepublishedPath.
const RepublishedDir = "republished"

// RepublishedPath returns the slash-separated path of earlier bytes of the version:
// "republished/{LooseDir}/{KeyedName}".
func (id ID) RepublishedPath(key string) string {
	return RepublishedDir + "/" + LooseDir(id.Name) + "/" + id.KeyedName(key)
}

// ParseRepublishedPath is the inverse of [ID.RepublishedPath].
func ParseRepublishedPath(p string) (id ID, key string, err error) {
	id, key, err = ParseKeyedName(path.Base(p))
	if err == nil && id.RepublishedPath(key) != p {
		return ID{}, "", fmt.Errorf("%s belongs at %s", quote(p), id.RepublishedPath(key))
	}
	return id, key, err
}

// KeyedName returns "{name}-{version}.{key}.crate", where key is [Checksum.FileKey], so
// that the content of the file can be verified by its name. It is not the FileName of any
// version, so such a file is never taken for the crate.
func (id ID) KeyedName(key string) string { return id.Name + "-" + id.Version + "." + key + Ext }

// ParseKeyedName is the inverse of [ID.KeyedName].
func ParseKeyedName(base string) (id ID, key string, err error) {
	stem, ok := strings.CutSuffix(base, Ext)
	dot := strings.LastIndexByte(stem, '.')
	if !ok || dot < 0 {
		return ID{}, "", fmt.Errorf("%s is not {name}-{version}.{key}%s", quote(base), Ext)
	}
	key = stem[dot+1:]
	if half, err := hex.DecodeString(key); err != nil || len(half) != sha256.Size/2 || strings.ToLower(key) != key {
		return ID{}, "", fmt.Errorf("%s: %s is not the first half of a checksum", quote(base), quote(key))
	}
	if id, err = ParseFileName(stem[:dot] + Ext); err != nil {
		return ID{}, "", err
	}
	return id, key, nil
}

// FileKey returns the first half of the checksum in hexadecimal: short enough for a file
// name with the longest name and version (255 bytes), long enough that nothing can make two
// crates with the same key.
func (s Checksum) FileKey() string { return s.String()[:sha256.Size] }

// LooseDir returns the directory of LoosePath: the name itself up to three characters, else
// "{first}/{second}".
//
// On Windows, a directory cannot be named aux, con, nul or prn. crates.io reserves these
// names (nul was published once, in 2017, and removed); if an index has one anyway, its
// directory gets a trailing "_" on every system, so that a mirror can move between systems.
func LooseDir(name string) string {
	if len(name) <= 3 {
		if isDeviceName(name) {
			return name + "_"
		}
		return name
	}
	first := 1
	if name[1] == '-' && name[0] != '1' && name[0] != '2' && name[0] != '3' {
		first = 2
	}
	return name[:first] + "/" + name[first:first+2]
}

func isDeviceName(name string) bool {
	switch strings.ToLower(name) {
	case "aux", "con", "nul", "prn":
		return true
	}
	return false
}

// URLPath returns "{name}/{name}-{version}.crate" escaped for a URL. Of the characters in
// the grammar only "+" needs escaping: S3 reads a raw one as a space (crates.io#4891), so
// the canonical form is "%2B".
func (id ID) URLPath() string {
	return id.Name + "/" + strings.ReplaceAll(id.FileName(), "+", "%2B")
}
