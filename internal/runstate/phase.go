package runstate

// Phases of a run: what it does, in words for people. Metrics have them as values of a
// label.
const (
	Planning      = "planning"
	Mirroring     = "mirroring"
	SecondPass    = "second pass"
	ThirdPass     = "third pass"
	Finishing     = "finishing" // all versions are processed
	UpdatingIndex = "updating the index"
	Sidecars      = "writing sidecars"
	Packing       = "packing"
	Pushing       = "pushing"
	Stating       = "stating what is held"
	Waiting       = "waiting" // for the next round
)

// Phases are all of them.
var Phases = []string{Planning, Mirroring, SecondPass, ThirdPass, Finishing, UpdatingIndex, Sidecars, Packing, Pushing, Stating, Waiting}
