package sparse

import "time"

// SetClock has looks happen at other times.
func (o *Observer) SetClock(now func() time.Time) { o.now = now }

// Due is due.
var Due = due

const WholeEvery = wholeEvery
