package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Reasons why nothing is shown, for the operator.
const (
	emptyMirror = "nothing is served: the mirror holds no crate yet; clonecratesio sync fills it, clonecratesio reindex finds crates that were carried here"
	otherIndex  = "nothing is served: of %d crates tried that the mirror holds, the index shows none; give serve the index that was mirrored with -index-dir, or run clonecratesio sync"
)

const (
	// maxTried is the number of crates that are looked up in the index before it is
	// considered another registry's.
	maxTried = 100
	// emptyRest is the pause between checks of an empty mirror.
	emptyRest = 5 * time.Second
)

// readEmpty checks whether anything is shown, and logs it once if not: a mirror that shows
// nothing answers all requests of cargo with 404, as if nothing existed.
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
		v.cfg.Log.Info("serving crates now")
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

// isEmpty reports whether nothing was shown at the last check.
func (v *View) isEmpty() bool {
	why := v.empty.Load()
	return why != nil && *why != ""
}
