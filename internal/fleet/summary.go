package fleet

import (
	"context"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
	"github.com/go-json-experiment/json"
)

// Summary is the outcome of a job.
type Summary struct {
	Kind     string      `json:"kind"`
	Tasks    int         `json:"tasks"`
	Versions int64       `json:"versions"`
	Bytes    int64       `json:"bytes"`
	Count    int64       `json:"problems"`
	Problems []Problem   `json:"first_problems,omitempty"`
	Aside    []work.Mark `json:"set_aside,omitempty"`

	// Fields of Repack.
	Packed   int64 `json:"packed_bytes,omitzero"` // of all new segments
	Segments int   `json:"segments,omitzero"`
}

// SumVerify returns the summary of a finished Verify job.
func SumVerify(ctx context.Context, b *work.Board, s *work.State) (*Summary, error) {
	sum := &Summary{Kind: Verify, Tasks: len(s.Done) + len(s.Aside)}
	for _, id := range s.Done {
		data, err := b.Result(ctx, id)
		if err != nil {
			return nil, err
		}
		var v Verified
		if err := json.Unmarshal(data, &v); err != nil {
			return nil, fmt.Errorf("reading the result of task %s: %w", id, err)
		}
		sum.Versions, sum.Bytes = sum.Versions+v.Versions, sum.Bytes+v.Bytes
		sum.add(v.Count, v.Problems)
	}
	return sum, sum.asides(ctx, b, s)
}

func (s *Summary) add(count int64, problems []Problem) {
	s.Count += count
	s.Problems = append(s.Problems, problems[:min(len(problems), maxProblems-len(s.Problems))]...)
}

func (s *Summary) asides(ctx context.Context, b *work.Board, state *work.State) error {
	for _, id := range state.Aside[:min(len(state.Aside), maxProblems)] {
		m, err := b.Aside(ctx, id)
		if err != nil {
			return err
		}
		s.Aside = append(s.Aside, m)
	}
	return nil
}
