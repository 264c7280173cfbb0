package bundle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Members yields all members in the order of the file, each verified to its last byte and
// hashed, on all cores. The sequence continues after an error if it can:
//
//   - *DamageError: these bytes of the bundle are unusable. It wraps ErrUnfinished if the
//     end of the archive is missing, ErrTrailing if something follows it, ErrBomb if the
//     rest is skipped.
//   - ErrTable, at the end: the seek table is missing or wrong.
//
// A bundle without any error is one that this package could have written. With an intact
// seek table, damage costs only the members that it touches. Without one, Members searches
// for the next frame; if a damaged member itself contains frames, they may be yielded as
// members. As always, the caller must compare the checksums.
func (r *Reader) Members() iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		r.pass(nil, func(s *step, err error) bool {
			if err != nil {
				return yield(Member{}, err)
			}
			s.drop()
			return yield(s.member, nil)
		})
	}
}

// pass is one walk over a bundle.
type pass struct {
	*ahead
	table    *table // nil after it was found to be wrong
	tableErr error
	yield    func(*step, error) bool // owns the bytes of the step
}

func (r *Reader) pass(large Sink, yield func(*step, error) bool) {
	w := newWalker(r.r, r.size)
	w.large = large
	p := pass{ahead: newAhead(w), yield: yield}
	defer p.stop()
	p.table, p.tableErr = readTable(r.r, r.size)
	if p.tableErr != nil {
		p.table = nil
	}
	if p.members() && p.tableErr != nil {
		yield(nil, fmt.Errorf("%w: %w", ErrTable, p.tableErr))
	}
}

// members yields members until the end of the archive, and errors after it. It reports
// whether the consumer wants more.
func (p *pass) members() bool {
	var offset int64
	s := p.frame(0)
	for n := 0; ; n++ {
		if s.err != nil {
			var ok bool
			if s, ok = p.recover(offset, s.err); !ok || s.err != nil {
				return ok
			}
		}
		p.compare(&s)
		switch {
		case s.end:
			return p.rest(s.next())
		case n == MaxMembers:
			s.drop()
			return p.damage(s.member.Offset, p.size, ErrTooMany)
		}
		if !p.yield(&s, nil) {
			return false
		}
		offset = s.next()
		s = p.frame(offset)
	}
}

func (p *pass) damage(offset, end int64, err error) bool {
	return p.yield(nil, &DamageError{offset, end, err})
}

// compare drops a seek table that disagrees with the frame (E6).
func (p *pass) compare(s *step) {
	if p.table == nil {
		return
	}
	if err := p.table.agrees(s.member.Offset, s.size, s.shape.content); err != nil {
		p.table, p.tableErr = nil, err
	}
}

// recover reports the error at offset and finds where to continue. A step with an error
// ends the walk.
func (p *pass) recover(offset int64, cause error) (step, bool) {
	if errors.Is(cause, ErrBomb) {
		return step{err: cause}, p.damage(offset, p.size, cause)
	}
	if offset == p.size || p.table != nil && offset == p.table.start {
		return step{err: io.EOF}, p.damage(offset, offset, ErrUnfinished)
	}
	if p.table != nil && p.table.offset == offset {
		return p.skip(offset, cause)
	}
	s := p.search(offset + 1)
	if s.err != nil {
		if errors.Is(cause, io.ErrUnexpectedEOF) {
			cause = fmt.Errorf("%w: %w", ErrUnfinished, cause)
		}
		return s, p.damage(offset, p.size, cause)
	}
	return s, p.damage(offset, s.member.Offset, cause)
}

// skip continues at the next usable frame of the seek table.
func (p *pass) skip(offset int64, cause error) (step, bool) {
	for {
		p.table.next()
		at := p.table.offset
		if at == p.table.start {
			return step{err: io.EOF}, p.damage(offset, at, cause)
		}
		s := p.frame(at)
		if s.err == nil {
			return s, p.damage(offset, at, cause)
		}
		if errors.Is(s.err, ErrBomb) {
			return s, p.damage(offset, p.size, fmt.Errorf("%w; %w", cause, s.err))
		}
	}
}

// rest checks what follows the end frame.
func (p *pass) rest(offset int64) bool {
	if p.table != nil && p.table.start == offset {
		return true
	}
	p.table = nil
	left := p.size - offset
	head, err := p.upTo(offset, tableHeader)
	switch {
	case err != nil:
		return p.damage(offset, p.size, err)
	case left == 0:
		p.tableErr = errors.New("bundle ends before it")
		return true
	case len(head) < tableHeader:
		p.tableErr = fmt.Errorf("bundle ends in it, at offset %d", p.size)
		return true
	}
	size := tableHeader + int64(binary.LittleEndian.Uint32(head[4:]))
	switch {
	case binary.LittleEndian.Uint32(head) != tableMagic || size < left:
		return p.damage(offset, p.size, ErrTrailing)
	case size > left:
		p.tableErr = fmt.Errorf("bundle ends in it, at offset %d", p.size)
	case p.tableErr == nil:
		p.tableErr = fmt.Errorf("it does not start at offset %d", offset)
	}
	return true
}

// A Sink is called for each large member before its bytes are decoded, and returns where to
// write them, or nil for nowhere. It is called concurrently, also for members that are
// never yielded.
type Sink func(id crate.ID, size int64) Keeper

// A Keeper receives the bytes of one large member. They are verified once the member is
// yielded; until then Drop may end it. An error of Write stops the writing, not the walk.
type Keeper interface {
	io.Writer
	Drop()
}

// Verified is a member with its bytes, verified and hashed.
type Verified struct {
	Member
	Data   []byte // nil for a large member; valid until Release
	Keeper Keeper // what the Sink returned for a large member; nil otherwise
	memory *[]byte
}

// Release returns the memory of Data for another member. Calling it is optional, and saves
// time.
func (v *Verified) Release() {
	if v.memory != nil {
		buffers.Put(v.memory)
		v.Data, v.memory = nil, nil
	}
}

// Contents is like Members, but also yields the bytes that it decoded and hashed, in one
// pass. Members of up to about 1 MiB are yielded whole; larger ones are written to the
// Keepers of large, piece by piece.
func (r *Reader) Contents(large Sink) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		r.pass(large, func(s *step, err error) bool {
			if err != nil {
				return yield(Verified{}, err)
			}
			return yield(Verified{s.member, s.data, s.keeper, s.memory}, nil)
		})
	}
}
