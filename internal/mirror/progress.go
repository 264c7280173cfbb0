package mirror

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Progress is the counts of a run, for others to read while it is running. What it calls
// processed is durable and recorded.
type Progress struct {
	start      time.Time
	planned    atomic.Int64 // crates looked at
	plan       atomic.Pointer[plan.Totals]
	working    atomic.Int64 // when planning ended, nanoseconds after start
	bytes      atomic.Int64
	unreadable atomic.Int64
	again      atomic.Int64                      // published again
	old        struct{ size, read atomic.Int64 } // of bundles of v1.1.0, bytes
	counts     [bookkeeping]atomic.Int64         // by outcome

	pass      atomic.Int32 // under way, or beginning after a pause; 0: the first
	begins    atomic.Int64 // when it does, nanoseconds after start
	before    atomic.Int64 // entries that were processed by then
	putOff    atomic.Int64 // entries that wait for the next one
	nextPause atomic.Int64 // before that, nanoseconds
	paused    atomic.Int64 // between passes so far, nanoseconds
}

// NewProgress starts the clock.
func NewProgress() *Progress { return &Progress{start: time.Now()} }

// Counts is a snapshot of a Progress.
type Counts struct {
	OldBytes         int64        // of bundles of v1.1.0 that are taken over
	OldRead          int64        // of these, so far
	TakenOver        int64        // crates out of them
	CratesPlanned    int64        // looked at so far while planning
	Plan             *plan.Totals // nil until planning has ended
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

	Pass   int           // 2, 3: what failed is tried again
	Wait   time.Duration // until that pass begins
	PutOff int64         // failed in this pass, and wait for the next one
	Paused time.Duration // of Elapsed, pauses between passes

	begun     time.Duration // of Elapsed, until the pass began
	before    int64         // processed before it
	nextPause time.Duration
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

// Rate is the number of entries worked on a second: what was held counts for no work, nor
// does the time in which that was found out.
func (c Counts) Rate() float64 {
	return human.Rate(c.Processed()-c.Existing-c.BadEntries, c.Elapsed-c.Planning)
}

// Left estimates the time to the end from how fast what needs work was done so
// far in this pass, and the pause before the next one; 0: unknown.
func (c Counts) Left() time.Duration {
	begun, before := c.Planning, c.Existing+c.BadEntries
	if c.Pass > 1 {
		begun, before = c.begun, c.before
	}
	left := c.Wait
	if c.PutOff > 0 {
		left += c.nextPause
	}
	done, todo := c.Processed()+c.PutOff-before, c.Total()-c.Processed()-c.PutOff
	if c.Plan == nil || todo <= 0 {
		return left
	}
	if done <= 0 {
		return c.Wait
	}
	return left + time.Duration(float64(c.Elapsed-begun)/float64(done)*float64(todo))
}

// Phase says in a word or two what the run does.
func (c Counts) Phase() string {
	switch {
	case c.Plan == nil:
		return runstate.Planning
	case c.Processed() >= c.Total():
		return runstate.Finishing
	case c.Pass == 2:
		return runstate.SecondPass
	case c.Pass == 3:
		return runstate.ThirdPass
	}
	return runstate.Mirroring
}

// Detail says what a pass after the first is about, and what waits for one.
func (c Counts) Detail() string {
	left := human.Plural(c.Total()-c.Processed()-c.PutOff, "version")
	switch {
	case c.Wait > 0:
		return fmt.Sprintf("begins in %v: %s to try again", c.Wait.Round(time.Second), left)
	case c.PutOff > 0:
		return fmt.Sprintf("%s to be tried again later", human.Plural(c.PutOff, "version"))
	}
	return ""
}

// Snapshot returns the counts as they are now.
func (p *Progress) Snapshot() Counts {
	n := func(o outcome) int64 { return p.counts[o].Load() }
	c := Counts{
		OldBytes: p.old.size.Load(), OldRead: p.old.read.Load(), TakenOver: n(takenOver),
		CratesPlanned: p.planned.Load(), Plan: p.plan.Load(),
		Downloaded: n(downloaded), Existing: n(existing), VerifiedExisting: n(verifiedExisting),
		Gone: n(gone), Violated: n(violated), Failed: n(failed), BadEntries: n(badEntry),
		Republished: p.again.Load(), Unreadable: p.unreadable.Load(), Bytes: p.bytes.Load(), Elapsed: time.Since(p.start), Planning: time.Duration(p.working.Load()),
		Pass: int(p.pass.Load()), PutOff: p.putOff.Load(), Paused: time.Duration(p.paused.Load()),
		begun: time.Duration(p.begins.Load()), before: p.before.Load(), nextPause: time.Duration(p.nextPause.Load()),
	}
	c.Wait = max(0, c.begun-c.Elapsed)
	return c
}

// nextPass begins a pass, after a pause.
func (p *Progress) nextPass(number int, pause, next time.Duration) {
	p.before.Store(p.Snapshot().Processed())
	p.begins.Store(int64(time.Since(p.start) + pause))
	p.paused.Add(int64(pause))
	p.nextPause.Store(int64(next))
	p.putOff.Store(0)
	p.pass.Store(int32(number))
}

func (p *Progress) setPlan(totals plan.Totals) {
	p.working.Store(int64(time.Since(p.start)))
	p.plan.Store(&totals)
}

func (p *Progress) fetched(n int64) { p.bytes.Add(n) }
func (p *Progress) count(o outcome) { p.counts[o].Add(1) }
