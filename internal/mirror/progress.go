package mirror

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Progress counts what a run does. Other goroutines may read it meanwhile. What it counts
// as processed is durable and recorded.
type Progress struct {
	start      time.Time
	planned    atomic.Int64 // crates that planning has looked at
	plan       atomic.Pointer[plan.Totals]
	working    atomic.Int64 // when planning ended, nanoseconds after start
	bytes      atomic.Int64
	unreadable atomic.Int64
	again      atomic.Int64                      // published again
	old        struct{ size, read atomic.Int64 } // of bundles of v1.1.0, bytes
	counts     [bookkeeping]atomic.Int64         // by outcome

	pass      atomic.Int32 // current pass, or the one after the current pause; 0: the first
	begins    atomic.Int64 // time at which it begins, nanoseconds after start
	before    atomic.Int64 // entries processed before it
	putOff    atomic.Int64 // entries deferred to the next pass
	nextPause atomic.Int64 // pause before the next pass, nanoseconds
	paused    atomic.Int64 // pauses between passes so far, nanoseconds
}

// NewProgress returns counts of zero and starts the clock.
func NewProgress() *Progress { return &Progress{start: time.Now()} }

// Counts is a snapshot of a Progress.
type Counts struct {
	OldBytes         int64        // size of the bundles of v1.1.0 that are copied
	OldRead          int64        // of these, read so far
	TakenOver        int64        // crates copied from them
	CratesPlanned    int64        // crates that planning has looked at so far
	Plan             *plan.Totals // nil until planning ends
	Downloaded       int64
	Existing         int64
	VerifiedExisting int64
	Gone             int64 // upstream refuses them
	Violated         int64 // bytes found or received differ from what the index names
	Failed           int64 // everything else that may succeed in a later run
	BadEntries       int64 // of the index
	Unreadable       int64 // copies that the disk cannot read
	Republished      int64 // of Downloaded and VerifiedExisting: replaced other bytes
	Bytes            int64 // received, including retries
	Elapsed          time.Duration
	Planning         time.Duration // of Elapsed, until the plan was complete

	Pass   int           // 2 or 3: failures are being retried
	Wait   time.Duration // until that pass begins
	PutOff int64         // failed in this pass, and wait for the next one
	Paused time.Duration // of Elapsed, pauses between passes

	begun     time.Duration // of Elapsed, until the pass began
	before    int64         // processed before it
	nextPause time.Duration
}

// OK returns the number of versions that are held and verified.
func (c Counts) OK() int64 { return c.Downloaded + c.Existing + c.VerifiedExisting }

// Errors returns the number of entries that are not.
func (c Counts) Errors() int64 { return c.Gone + c.Violated + c.Failed + c.BadEntries }

// Processed returns the number of entries that the run has finished.
func (c Counts) Processed() int64 { return c.OK() + c.Errors() }

// Total returns the number of entries of the run, or 0 while it is unknown.
func (c Counts) Total() int64 {
	if c.Plan == nil {
		return 0
	}
	return c.Plan.Versions + c.Plan.Bad
}

// Rate returns the number of entries worked on per second. It ignores held entries and the
// time in which planning found them.
func (c Counts) Rate() float64 {
	return human.Rate(c.Processed()-c.Existing-c.BadEntries, c.Elapsed-c.Planning)
}

// Left estimates the remaining time from the rate of entries with work in this pass, and
// the pause before the next one; 0: unknown.
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

// Phase describes in a word or two what the run does.
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

// Detail says what a later pass is about, and what waits for one.
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

// Snapshot returns the current counts.
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
