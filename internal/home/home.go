// Package home is a mirror's folders: where everything in them is, whether they are a
// mirror's at all, and how they are opened, for their one writer ([Writer]) or for
// readers meanwhile ([Reader], [Stores]). It mirrors, verifies and serves nothing; what
// it opens does.
//
// # What is where
//
// Below the folder of a mirror, which is -mirror for users, unless a folder is
// elsewhere ([Dirs]):
//
//	crates.io-index/       the index: a bare repository, a checkout, or plain files   index
//	crates/                the crate files, and the state of the mirror:
//	  1/ 2/ 3/s/ se/rd/      loose crate files in the shard layout                    store/loose
//	  republished/           bytes that versions had before they were published again store/loose
//	  quarantine/            what came or stood under a crate's name and is not it    store/loose
//	  trash/2026-03-01/      loose files that prune moved away on that day            trash
//	  .clonecratesio/        the state, which is the mark of a mirror:
//	    lock                   held by the one process that writes the mirror         home
//	    tmp/                   files that are being written                           store/loose
//	    catalog.db             which versions are stored, where, since when           catalog
//	    catalog.db.old-TIME    one that a reindex has replaced; .damaged-TIME: one
//	                           that could not be read                                 home
//	    deep-cache/            crates that were rebuilt from the deep archive             store/cache
//	    fetched-cache/         crates that were fetched from the bucket                   store/cache
//	    store.json             which folder this is, and to which bucket it belongs       home
//	    replica/               what the replica of a mirror in a bucket has taken         replica
//	    run.json               where the run stands, or how the last one ended        runstate
//	    rounds.json            the last rounds, and how much was held over time       roundlog
//	    verify.json            how far verification has come                          verify
//	    verify.lock            held by the process that verifies                      home
//	    registry.git/          a registry for cargo that speaks to git alone              gitweb
//	    sidecars/              sidecars that are being written                        sidecar
//	    sidecars.lock          held by the process that writes sidecars               home
//	bundles/               bundles, their manifests, bundles.index.jsonl              store/bundled
//	  .lock                  held by the mirror that writes the bundles               home
//	  trash/2026-03-01/      bundles that prune has written again without what went   trash
//	deep/                  segments of the deep archive                               deep
//	  .lock                  held by the process that writes them                     home
//	manifest.jsonl         the audit log of the last run; earlier ones beside it      runlog
//	manifest.jsonl.lock    held by the mirror that writes it                          home
//	pulled/                what a server has fetched that the mirror does not hold yet  pull
//	log/                   the log of signed statements                               tilelog
//	  .lock                  held by the process that appends to it                   home
//
// The package named at the end of a line writes it, and documents its format. Only
// the files are the truth: the catalog can be built again from them.
package home

import (
	"cmp"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/trash"
)

// The names that the folders of a mirror have in its folder by default, which are
// v1.1.0's.
const (
	IndexName      = "crates.io-index"
	CratesName     = "crates"
	BundlesName    = "bundles"
	DeepName       = "deep"
	ManifestName   = "manifest.jsonl"
	StatementsName = "log"
	PulledName     = "pulled"
)

// Dirs are the folders of a mirror.
type Dirs struct {
	Root       string // has those below that are not named; need not be there if all are
	Index      string // the index
	Crates     string // crate files, and the state of the mirror
	Bundles    string // bundles
	Deep       string // segments of the deep archive
	Manifest   string // the file that is the audit log of the last run
	Statements string // the log of statements

	// Remote is what a bucket has of the mirror's bundles and segments, as far as it was
	// told; nil: all is on the disk.
	Remote *overlay.Source
}

// Fill names the folders that have no name yet: they are in Root.
func (d *Dirs) Fill() {
	for _, f := range []struct {
		dir  *string
		name string
	}{{&d.Index, IndexName}, {&d.Crates, CratesName}, {&d.Bundles, BundlesName}, {&d.Deep, DeepName}, {&d.Manifest, ManifestName}, {&d.Statements, StatementsName}} {
		*f.dir = cmp.Or(*f.dir, filepath.Join(d.Root, f.name))
	}
}

// State is the folder of what a mirror keeps that is not crates.
func (d *Dirs) State() string { return filepath.Join(d.Crates, loose.StateDir) }

// Catalog is the file that says what is stored.
func (d *Dirs) Catalog() string { return filepath.Join(d.State(), "catalog.db") }

// DeepOrUsual is the folder of the deep archive: if none is named, the one of the usual
// name beside the bundles, for commands that know of no other.
func (d *Dirs) DeepOrUsual() string {
	if d.Deep == "" && d.Bundles != "" {
		return filepath.Join(filepath.Dir(filepath.Clean(d.Bundles)), DeepName)
	}
	return d.Deep
}

// DeepCache is the folder of crates that were rebuilt from the deep archive.
func (d *Dirs) DeepCache() string { return filepath.Join(d.State(), "deep-cache") }

// FetchedCache is the folder of crates that were fetched from the bucket.
func (d *Dirs) FetchedCache() string { return filepath.Join(d.State(), "fetched-cache") }

// Pulled is the folder of what a server has fetched that the mirror does not hold yet. It
// is beside that of the crate files.
func (d *Dirs) Pulled() string {
	return filepath.Join(filepath.Dir(filepath.Clean(d.Crates)), PulledName)
}

// Quarantine is the folder of what is not the crate that it should be.
func (d *Dirs) Quarantine() string { return filepath.Join(d.Crates, loose.QuarantineDir) }

// Trash is the folder of loose files that were pruned; TrashedBundles that of bundles.
func (d *Dirs) Trash() string { return filepath.Join(d.Crates, trash.Dir) }

// TrashedBundles is the other trash than Trash.
func (d *Dirs) TrashedBundles() string { return filepath.Join(d.Bundles, trash.Dir) }

// VerifyLock is the lock of the process that verifies, and keeps how far it came.
func (d *Dirs) VerifyLock() string { return filepath.Join(d.State(), "verify.lock") }
