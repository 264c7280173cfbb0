package advisory

import (
	"fmt"
	"math"
	"strings"
)

// A Severity is the severity of a vulnerability in the words of CVSS. A greater value is
// worse.
type Severity uint8

// The severities of CVSS (specification 3.1, section 5).
const (
	Unknown  Severity = iota // no score, or one that cannot be parsed
	None                     // 0
	Low                      // 0.1 to 3.9
	Medium                   // 4.0 to 6.9
	High                     // 7.0 to 8.9
	Critical                 // 9.0 to 10
)

var severities = [...]string{"unknown", "none", "low", "medium", "high", "critical"}

// severityWords maps other sources' words to severities.
var severityWords = map[string]Severity{
	"none": None, "low": Low, "moderate": Medium, "medium": Medium, "high": High, "critical": Critical,
}

func (s Severity) String() string { return severities[s] }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Severity) UnmarshalText(text []byte) error {
	for i, word := range severities {
		if word == string(text) && Severity(i) != Unknown {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("severity %.40q: want none, low, medium, high or critical", text)
}

// severityOf returns the severity of a CVSS vector of version 3 or 4.
func severityOf(vector string) Severity {
	score, ok := Score(vector)
	if !ok {
		return Unknown
	}
	switch {
	case score >= 9:
		return Critical
	case score >= 7:
		return High
	case score >= 4:
		return Medium
	case score > 0:
		return Low
	}
	return None
}

// Score returns the base score of a CVSS vector, 0 to 10.
func Score(vector string) (score float64, ok bool) {
	version, rest, _ := strings.Cut(vector, "/")
	const longest = 500
	metrics := map[string]string{}
	if len(rest) > longest {
		return 0, false
	}
	for part := range strings.SplitSeq(rest, "/") {
		name, value, found := strings.Cut(part, ":")
		if _, twice := metrics[name]; twice || !found {
			return 0, false
		}
		metrics[name] = value
	}
	switch version {
	case "CVSS:3.0", "CVSS:3.1":
		return score3(metrics)
	case "CVSS:4.0":
		return score4(metrics)
	}
	return 0, false
}

// weights3 are the weights of the base metrics (specification 3.1, section 7.4).
var weights3 = map[string]map[string]float64{
	"AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
	"AC": {"L": 0.77, "H": 0.44},
	"UI": {"N": 0.85, "R": 0.62},
	"PR": {"N": 0.85, "L": 0.62, "H": 0.27}, // scope unchanged
	"S":  {"U": 0, "C": 1},
	"C":  {"H": 0.56, "L": 0.22, "N": 0},
	"I":  {"H": 0.56, "L": 0.22, "N": 0},
	"A":  {"H": 0.56, "L": 0.22, "N": 0},
}

// score3 returns the base score (specification 3.1, section 7.1).
func score3(metrics map[string]string) (float64, bool) {
	w := map[string]float64{}
	for name, values := range weights3 {
		v, ok := values[metrics[name]]
		if !ok {
			return 0, false
		}
		w[name] = v
	}
	iss := 1 - (1-w["C"])*(1-w["I"])*(1-w["A"])
	changed := metrics["S"] == "C"
	impact := 6.42 * iss
	if changed {
		impact = 7.52*(iss-0.029) - 3.25*math.Pow(iss-0.02, 15)
		switch metrics["PR"] {
		case "L":
			w["PR"] = 0.68
		case "H":
			w["PR"] = 0.5
		}
	}
	if impact <= 0 {
		return 0, true
	}
	sum := impact + 8.22*w["AV"]*w["AC"]*w["PR"]*w["UI"]
	if changed {
		sum *= 1.08
	}
	return roundUp(min(sum, 10)), true
}

// roundUp rounds up to one decimal and ignores floating point errors, as in appendix A of
// the specification.
func roundUp(x float64) float64 {
	n := int(math.Round(x * 100_000))
	if n%10_000 == 0 {
		return float64(n) / 100_000
	}
	return float64(n/10_000+1) / 10
}
