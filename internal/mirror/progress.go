package mirror

import (
	"sync/atomic"
	"time"
)

// Progress is the counts of a run, for others to read while it goes on. What it
// calls processed is durable and recorded.
type Progress struct {
	start      time.Time
	planned    atomic.Int64 // crates looked at
	plan       atomic.Pointer[Plan]
	working    atomic.Int64 // when planning ended, nanoseconds after start
	bytes      atomic.Int64
	unreadable atomic.Int64
	again      atomic.Int64                      // published again
	old        struct{ size, read atomic.Int64 } // of bundles of v1.1.0, bytes
	counts     [bookkeeping]atomic.Int64         // by outcome
}

// NewProgress starts the clock.
func NewProgress() *Progress { return &Progress{start: time.Now()} }

// Counts is a snapshot of a Progress.
type Counts struct {
	OldBytes         int64 // of bundles of v1.1.0 that are taken over
	OldRead          int64 // of these, so far
	TakenOver        int64 // crates out of them
	CratesPlanned    int64 // looked at so far while planning
	Plan             *Plan // nil until planning has ended
	Downloaded       int64
	Existing         int64
	VerifiedExisting int64
	Gone             int64 // upstream refuses them
	Violated         int64 // bytes found or sent were not what the index names
	Failed           int64 // everything else that may succeed in a later run
	BadEntries       int64 // of the index
	Unreadable       int64 // copies that the disk does not give
	Republished      int64 // of Downloaded and VerifiedExisting: in place of other bytes
	Bytes            int64 // received, retries included
	Elapsed          time.Duration
	Planning         time.Duration // of that, until the plan was known
}

// OK is the number of versions that are held, verified.
func (c Counts) OK() int64 { return c.Downloaded + c.Existing + c.VerifiedExisting }

// Errors is the number of entries that are not.
func (c Counts) Errors() int64 { return c.Gone + c.Violated + c.Failed + c.BadEntries }

// Processed is the number of entries that the run has done with.
func (c Counts) Processed() int64 { return c.OK() + c.Errors() }

// Total is the number of entries of the run, 0 while it is not known.
func (c Counts) Total() int64 {
	if c.Plan == nil {
		return 0
	}
	return c.Plan.Versions + c.Plan.Bad
}

// Rate is the number of entries processed a second.
func (c Counts) Rate() float64 {
	if c.Elapsed <= 0 {
		return 0
	}
	return float64(c.Processed()) / c.Elapsed.Seconds()
}

// Left estimates the time to the end from how fast what needs work was done so
// far; 0: unknown.
func (c Counts) Left() time.Duration {
	done, left := c.Processed()-c.Existing-c.BadEntries, c.Total()-c.Processed()
	if c.Plan == nil || done <= 0 || left <= 0 {
		return 0
	}
	return time.Duration(float64(c.Elapsed-c.Planning) / float64(done) * float64(left))
}

// Snapshot returns the counts as they are now.
func (p *Progress) Snapshot() Counts {
	n := func(o outcome) int64 { return p.counts[o].Load() }
	return Counts{
		OldBytes: p.old.size.Load(), OldRead: p.old.read.Load(), TakenOver: n(takenOver),
		CratesPlanned: p.planned.Load(), Plan: p.plan.Load(),
		Downloaded: n(downloaded), Existing: n(existing), VerifiedExisting: n(verifiedExisting),
		Gone: n(gone), Violated: n(violated), Failed: n(failed), BadEntries: n(badEntry),
		Republished: p.again.Load(), Unreadable: p.unreadable.Load(), Bytes: p.bytes.Load(), Elapsed: time.Since(p.start), Planning: time.Duration(p.working.Load()),
	}
}

func (p *Progress) setPlan(plan Plan) {
	p.working.Store(int64(time.Since(p.start)))
	p.plan.Store(&plan)
}

func (p *Progress) fetched(n int64) { p.bytes.Add(n) }
func (p *Progress) count(o outcome) { p.counts[o].Add(1) }
