package send

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

const (
	pointsName = "points.jsonl"
	// maxPoints bounds the points that are remembered, the last ones.
	maxPoints = 10_000
)

// points are the points at which transfers left the far side, the oldest first.
type points []point

// A point also has the number of leaves of the log of statements, and what was hidden.
type point struct {
	transfer.Point
	Leaves int64  `json:",omitzero"`
	Gate   string `json:",omitzero"` // the sum of what was hidden; empty: nothing
}

func readPoints(sent durable.Reader) (list points, err error) {
	data, err := readAll(sent, pointsName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for line := range bytes.Lines(data) {
		var p point
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, fmt.Errorf("reading %s: %w", pointsName, err)
		}
		list = append(list, p)
	}
	return list, err
}

// addPoint adds a point unless it was added before.
func addPoint(sent durable.FS, p point) error {
	list, err := readPoints(sent)
	if err != nil {
		return err
	}
	if len(list) == 0 || list[len(list)-1] != p {
		list = append(list, p)
	}
	list = list[max(0, len(list)-maxPoints):]
	return durable.FillFile(sent, pointsName, func(w io.Writer) error {
		for _, p := range list {
			line, err := json.Marshal(p)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

// next returns the next point, as far as it is known.
func (list points) next() transfer.Point {
	if len(list) == 0 {
		return transfer.Point{Line: transfer.NewLine(), Number: 1}
	}
	last := list[len(list)-1]
	return transfer.Point{Line: last.Line, Number: last.Number + 1}
}

// base returns the point of the far side according to since; zero: it has nothing, or a
// state tells.
func (list points) base(since *Since) (point, error) {
	if since.State != nil || !since.Last && since.Point == "" {
		return point{}, nil
	}
	for i := len(list) - 1; i >= 0; i-- {
		if since.Last || list[i].Is(since.Point) {
			return list[i], nil
		}
	}
	if since.Last {
		return point{}, fmt.Errorf("-since last: %w: begin with -full, or with -since and a state of the far side (clonecratesio import -state FILE, there)", ErrNoPoint)
	}
	return point{}, fmt.Errorf("-since %s: %w: give the file of a state of the far side (clonecratesio import -state FILE, there), or -full", since.Point, ErrNoPoint)
}
