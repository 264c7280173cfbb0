package runstate

// Phases of a run: what it does, in words for people. They are also values of a metric
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

// Phases lists all phases.
var Phases = []string{Planning, Mirroring, SecondPass, ThirdPass, Finishing, UpdatingIndex, Sidecars, Packing, Pushing, Stating, Waiting}
