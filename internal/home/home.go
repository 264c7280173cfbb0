// Package home opens the folders of a mirror: for the one writer ([Writer]), or for readers beside
// it ([Reader], [Stores]). It knows where each file is, and whether a folder is a mirror at all. It
// does not mirror, verify or serve; the packages above it do.
//
// # Layout
//
// Below the folder of a mirror (the flag -mirror), unless [Dirs] names another place:
//
//	crates.io-index/       the index: a bare repository, a checkout, or plain files   index
//	crates/                the crate files, and the state of the mirror:
//	  1/ 2/ 3/s/ se/rd/      loose crate files in the shard layout                    store/loose
//	  republished/           earlier bytes of versions that were published again      store/loose
//	  quarantine/            files that claim to be a crate but are not               store/loose
//	  trash/2026-03-01/      loose files that prune removed on that day               trash
//	  .clonecratesio/        the state, which is the mark of a mirror:
//	    lock                   locked by the one process that writes the mirror       home
//	    tmp/                   files that are being written                           store/loose
//	    catalog.db             which versions are stored, where, since when           catalog
//	    catalog.db.old-TIME    replaced by a reindex; .damaged-TIME: could not be
//	                           read                                                   home
//	    deep-cache/            crates that were rebuilt from the deep archive             store/cache
//	    fetched-cache/         crates that were downloaded from the bucket                store/cache
//	    store.json             the identity of this folder, and its bucket                home
//	    replica/               what the replica of a mirror in a bucket has copied        replica
//	    run.json               progress of the run, or how the last one ended         runstate
//	    rounds.json            the last rounds, and the number held over time         roundlog
//	    verify.json            progress of verification                               verify
//	    verify.lock            locked by the process that verifies                    home
//	    registry.git/          a registry for a cargo that only speaks git                gitweb
//	    sidecars/              sidecars that are being written                        sidecar
//	    sidecars.lock          locked by the process that writes sidecars             home
//	bundles/               bundles, their manifests, bundles.index.jsonl              store/bundled
//	  .lock                  locked by the mirror that writes the bundles             home
//	  trash/2026-03-01/      bundles that prune replaced by smaller ones              trash
//	deep/                  segments of the deep archive                               deep
//	  .lock                  locked by the process that writes them                   home
//	manifest.jsonl         the audit log of the last run; earlier ones beside it      runlog
//	manifest.jsonl.lock    locked by the mirror that writes it                        home
//	pulled/                what a server downloaded that the mirror does not hold yet   pull
//	log/                   the log of signed statements                               tilelog
//	  .lock                  locked by the process that appends to it                 home
//
// The package at the end of a line writes that file and documents its format. The files are the
// truth: the catalog can be rebuilt from them.
package home

import (
	"cmp"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/trash"
)

// Default names of the folders of a mirror, which are those of v1.1.0.
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
	Root       string // the parent of the folders below that have no name; need not exist if all have one
	Index      string // the index
	Crates     string // crate files, and the state of the mirror
	Bundles    string // bundles
	Deep       string // segments of the deep archive
	Manifest   string // the file that is the audit log of the last run
	Statements string // the log of signed statements

	// Remote is the part of the mirror's bundles and segments that is in a bucket. If nil, all
	// are on the disk.
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

// State returns the folder of everything that a mirror stores apart from crates.
func (d *Dirs) State() string { return filepath.Join(d.Crates, loose.StateDir) }

// Catalog returns the path of the catalog.
func (d *Dirs) Catalog() string { return filepath.Join(d.State(), "catalog.db") }

// DeepOrUsual returns the folder of the deep archive. If none is named, it is the default one
// beside the bundles, for commands without a flag for it.
func (d *Dirs) DeepOrUsual() string {
	if d.Deep == "" && d.Bundles != "" {
		return filepath.Join(filepath.Dir(filepath.Clean(d.Bundles)), DeepName)
	}
	return d.Deep
}

// DeepCache returns the folder of crates that were rebuilt from the deep archive.
func (d *Dirs) DeepCache() string { return filepath.Join(d.State(), "deep-cache") }

// FetchedCache returns the folder of crates that were downloaded from the bucket.
func (d *Dirs) FetchedCache() string { return filepath.Join(d.State(), "fetched-cache") }

// Pulled returns the folder of crates that a server downloaded and that the mirror does not
// hold yet. It is beside the folder of crate files.
func (d *Dirs) Pulled() string {
	return filepath.Join(filepath.Dir(filepath.Clean(d.Crates)), PulledName)
}

// Quarantine returns the folder of files that claim to be a crate but are not.
func (d *Dirs) Quarantine() string { return filepath.Join(d.Crates, loose.QuarantineDir) }

// Trash returns the folder of loose files that prune removed.
func (d *Dirs) Trash() string { return filepath.Join(d.Crates, trash.Dir) }

// TrashedBundles returns the folder of bundles that prune removed.
func (d *Dirs) TrashedBundles() string { return filepath.Join(d.Bundles, trash.Dir) }

// VerifyLock returns the lock file of the process that verifies and records its progress.
func (d *Dirs) VerifyLock() string { return filepath.Join(d.State(), "verify.lock") }
