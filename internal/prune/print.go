package prune

import (
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Words are the options of Print.
type Words struct {
	Done     bool   // it was done; otherwise it would be
	Trashes  string // the trash folder
	Bundles  bool   // bundles were checked, too
	MinShare int    // minimum share of a bundle, in percent
}

// Print writes for a person what was removed, or would be.
func (p *Pruned) Print(out io.Writer, words Words) {
	switch n, bytes := human.Plural(p.Versions, "version"), human.Size(p.Bytes); {
	case p.Versions == 0 && p.Deep == 0 && len(p.Rewritten) == 0:
		fmt.Fprintln(out, "nothing to remove")
	case p.Versions == 0:
	case words.Done:
		fmt.Fprintf(out, "%s, %s, went to %s\n", n, bytes, words.Trashes)
	default:
		fmt.Fprintf(out, "%s, %s, would go to %s: -yes does it\n", n, bytes, words.Trashes)
	}
	printRewritten(out, words, p.Rewritten)
	if p.Deep > 0 {
		fmt.Fprintf(out, "%s in the deep archive %s\n", human.Plural(p.Deep, "version"), words.howDeep())
	}
	if p.Bundled > 0 {
		fmt.Fprintf(out, "%s stay in bundles%s\n", human.Plural(p.Bundled, "version"), words.howBundled())
	}
}

// howBundled says how to remove what stays in bundles.
func (w *Words) howBundled() string {
	if w.Bundles {
		return fmt.Sprintf(": less than %d %% of each, see -min-share", w.MinShare)
	}
	return ": -bundles writes those again without them"
}

// howDeep says what happens to versions in the deep archive.
func (w *Words) howDeep() string {
	if w.Done {
		return "removed from the catalog: repack frees their space when it packs the rest of a segment again"
	}
	return "would go from the catalog: -yes does it"
}

func printRewritten(out io.Writer, words Words, list []Rewrite) {
	var old, kept int64
	for _, r := range list {
		if r.Size > 0 {
			fmt.Fprintf(out, "%s: %s of %s are wanted\n", r.Name, human.Size(r.Keep), human.Size(r.Size))
		}
		old, kept = old+r.Size, kept+r.Keep
	}
	if n := human.Plural(int64(len(list)), "bundle"); old > 0 && words.Done {
		fmt.Fprintf(out, "%s went to the trash, %s: what is wanted of them takes %s in others\n", n, human.Size(old), human.Size(kept))
	} else if old > 0 {
		fmt.Fprintf(out, "%s would be written again, which takes %s until the trash is emptied, and frees %s then\n", n, human.Size(kept), human.Size(old-kept))
	}
}
