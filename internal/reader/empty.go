package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Why nothing is shown, in words for the operator.
const (
	emptyMirror = "nothing is served: the mirror holds no crate yet; clonecratesio sync fills it, clonecratesio reindex finds crates that were carried here"
	otherIndex  = "nothing is served: of %d crates tried that the mirror holds, the index shows none; give serve the index that was mirrored with -index-dir, or run clonecratesio sync"
)

const (
	// maxTried is of how many crates the index is asked before it is taken for
	// another registry's.
	maxTried = 100
	// emptyRest is how long an empty mirror rests until it is looked at again.
	emptyRest = 5 * time.Second
)

// readEmpty finds out whether anything is shown, and says so once if not: a mirror
// that shows nothing answers every question of cargo with 404, as if that were so.
func (v *View) readEmpty(ctx context.Context) error {
	why, err := v.whyEmpty(ctx)
	if err != nil {
		return err
	}
	before := v.empty.Swap(&why)
	switch {
	case before != nil && *before == why || before == nil && why == "":
	case why != "":
		v.cfg.Log.Error(why)
	default:
		v.cfg.Log.Info("crates are served now")
	}
	return nil
}

func (v *View) whyEmpty(ctx context.Context) (string, error) {
	list := v.names.Load().list
	if len(list) == 0 {
		return emptyMirror, nil
	}
	tried := min(len(list), maxTried)
	for i := range tried {
		_, err := v.Crate(ctx, list[i*len(list)/tried].shown)
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return fmt.Sprintf(otherIndex, tried), nil
}

// isEmpty reports whether nothing was shown when that was looked at last.
func (v *View) isEmpty() bool {
	why := v.empty.Load()
	return why != nil && *why != ""
}
