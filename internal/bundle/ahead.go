package bundle

import (
	"io"
	"runtime"
	"sync"
)

// ahead is a walker that decodes and hashes frames on all cores before the walk reaches
// them. One goroutine walks: it reads the file from front to end and finds the end of each
// frame, which needs no decoding. The results and their order are the same as without
// ahead.
//
// At a damaged frame it stops until the walk arrives there and knows where to continue.
type ahead struct {
	*walker
	jobs  chan *job // to do; has room for all
	wg    sync.WaitGroup
	queue []*job // in progress, in the order of the file
	ready *job   // the next job, for which there was no room; may be nil
	next  int64  // offset of the next frame; nowhere: unknown
	held  int64  // memory of the jobs in queue, in bytes, roughly
	owed  int64  // most that the jobs in queue may spend
}

const (
	nowhere = -1
	// aheadBytes bounds the memory of frames that are verified ahead, in bytes. A single
	// frame has at most 2 MiB.
	aheadBytes = 16 << 20
)

// job is a frame to verify ahead.
type job struct {
	step
	encoded *[]byte // from buffers: a small frame
	memory  int64   // memory that it needs, in bytes, roughly
	most    int64   // that it may spend
	spent   int64
	done    chan struct{}
}

// newAhead starts the goroutines; stop ends them.
func newAhead(w *walker) *ahead {
	workers := runtime.GOMAXPROCS(0)
	a := &ahead{walker: w, jobs: make(chan *job, 4*workers), next: nowhere}
	for range workers {
		a.wg.Go(func() {
			for j := range a.jobs {
				j.do(w.r, w.large)
				close(j.done)
			}
		})
	}
	return a
}

// stop waits for the jobs in progress and drops them.
func (a *ahead) stop() {
	a.forget()
	close(a.jobs)
	a.wg.Wait()
}

// frame implements the method of walker.
func (a *ahead) frame(offset int64) step {
	if len(a.queue) == 0 || a.queue[0].member.Offset != offset {
		a.forget()
		a.next = offset
	}
	a.fill()
	if len(a.queue) == 0 {
		return a.walker.frame(offset)
	}
	return a.take()
}

// take returns the first step of the queue.
func (a *ahead) take() step {
	j := a.queue[0]
	a.queue = a.queue[1:]
	<-j.done
	a.held -= j.memory
	a.owed -= j.most
	_ = a.Spend(j.spent) // fill has made sure that there is enough
	return j.step
}

// forget drops jobs that the walk does not need.
func (a *ahead) forget() {
	for len(a.queue) > 0 {
		s := a.take()
		s.drop()
	}
	if a.ready != nil {
		a.ready.free()
	}
	a.ready, a.next = nil, nowhere
}

// fill starts jobs while there is room.
func (a *ahead) fill() {
	for len(a.queue) < cap(a.jobs) {
		if a.ready == nil && a.next != nowhere {
			a.ready = a.prepare(a.next)
			a.next = nowhere
		}
		j := a.ready
		if j == nil || a.owed+j.most > a.Left() || len(a.queue) > 0 && a.held+j.memory > aheadBytes {
			return
		}
		a.ready, a.next = nil, j.step.next()
		a.held += j.memory
		a.owed += j.most
		a.queue = append(a.queue, j)
		a.jobs <- j
	}
}

// prepare makes a job of the frame at offset. It returns nil if the frame is damaged, or
// the file ends.
func (a *ahead) prepare(offset int64) *job {
	shape, err := a.shape(offset)
	if err != nil {
		return nil
	}
	j := &job{
		step:   step{member: Member{Placement: Placement{offset, shape.size}}, shape: shape},
		memory: 4 * smallContent, most: maxBlock + shape.content, done: make(chan struct{}),
	}
	if shape.small() {
		frame, err := a.at(offset, int(shape.size))
		if err != nil {
			return nil
		}
		j.encoded = buffers.Get().(*[]byte)
		*j.encoded = grow(*j.encoded, shape.size)
		copy(*j.encoded, frame)
		j.memory = shape.size + shape.content
	}
	return j
}

func (j *job) do(r io.ReaderAt, large Sink) {
	spend := func(n int64) error {
		j.spent += n
		return nil
	}
	if j.encoded == nil {
		j.verifyLarge(r, large, spend)
		return
	}
	_ = spend(j.content)
	j.verifySmall(*j.encoded)
	j.free()
}

func (j *job) free() {
	if j.encoded != nil {
		buffers.Put(j.encoded)
		j.encoded = nil
	}
}
