package advisory

import "math"

// Scores of CVSS 4.0 (specification, section 8.2; the figures are from FIRST's calculator).
// It computes the base score, so only base metrics count: threats (E:A) and requirements
// (CR, IR, AR: H) are assumed to be the worst, as if unknown.

// levels4 is how far values are below the worst of their metric, in tenths.
var levels4 = map[string]map[string]int{
	"AV": {"N": 0, "A": 1, "L": 2, "P": 3},
	"PR": {"N": 0, "L": 1, "H": 2},
	"UI": {"N": 0, "P": 1, "A": 2},
	"AC": {"L": 0, "H": 1},
	"AT": {"N": 0, "P": 1},
	"VC": {"H": 0, "L": 1, "N": 2},
	"VI": {"H": 0, "L": 1, "N": 2},
	"VA": {"H": 0, "L": 1, "N": 2},
	"SC": {"H": 0, "L": 1, "N": 2},
	"SI": {"H": 0, "L": 1, "N": 2},
	"SA": {"H": 0, "L": 1, "N": 2},
}

// impacts4 is the number of classes of impacts on the vulnerable system, which combine
// equivalence classes 3 and 6: 00, 01, 10, 11, 21.
const impacts4 = 5

// table4 has the score of the worst vector of each class: by class 1, class 2, impacts, and
// class 4, which is 1 or 2 here. Class 5 is 0.
var table4 = [3][2][impacts4][2]float64{
	{{{10, 9.3}, {9.6, 9}, {9.3, 8.8}, {9.2, 8}, {7.9, 6.9}}, {{9.5, 9.2}, {9.1, 8.1}, {9.2, 8.4}, {8.2, 7}, {7.1, 6.3}}},
	{{{9.4, 8.7}, {8.9, 7.5}, {8.6, 7.2}, {7.6, 5.7}, {6.5, 5.3}}, {{9, 7.7}, {7.7, 6.6}, {7.4, 6.1}, {5.9, 5.2}, {5.8, 2.3}}},
	{{{8.6, 7}, {7.4, 5.4}, {7.2, 5.3}, {5.7, 3.6}, {4.7, 2.4}}, {{7.3, 5.4}, {5.5, 4.3}, {6.1, 4.6}, {5.1, 1.8}, {2.4, 1}}},
}

// depths4 are the numbers of steps within a class: of 1, 2 and 4 by class, and of impacts.
var (
	depth1      = [3]float64{1, 4, 5}
	depth2      = [2]float64{1, 2}
	depthImpact = [impacts4]float64{7, 6, 8, 8, 10}
	depth4      = [2]float64{5, 4}
)

// worst4 are the worst values of a class, perhaps several: levels of the class's metrics in
// the order of [score4].
var (
	worst1      = [3][][]int{{{0, 0, 0}}, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {{3, 0, 0}, {1, 1, 1}}}
	worst2      = [2][][]int{{{0, 0}}, {{1, 0}, {0, 1}}}
	worstImpact = [impacts4][][]int{{{0, 0, 0}}, {}, {{1, 0, 0}, {0, 1, 0}}, {}, {{1, 1, 1}}}
	worst4      = [2][][]int{{{0, 0, 0}}, {{1, 1, 1}}}
)

// score4 returns the base score.
func score4(metrics map[string]string) (float64, bool) {
	level := map[string]int{}
	for name, values := range levels4 {
		v, ok := values[metrics[name]]
		if !ok {
			return 0, false
		}
		level[name] = v
	}
	reach, ease := of(level, "AV", "PR", "UI"), of(level, "AC", "AT")
	near, far := of(level, "VC", "VI", "VA"), of(level, "SC", "SI", "SA")
	if sum(near) == 6 && sum(far) == 6 {
		return 0, true // no impact at all
	}
	c1, c2, impact, c4 := class1(reach), min(1, sum(ease)), classImpact(near), 1
	if far[0] == 0 || far[1] == 0 || far[2] == 0 {
		c4 = 0
	}
	value := table4[c1][c2][impact][c4]
	// Class 5 has a lower class, but no distance to it.
	lost, classes := 0.0, 1
	lower := func(score float64, values []int, worst [][]int, depth float64) {
		lost += (value - score) * float64(below(values, worst)) / depth
		classes++
	}
	if c1 < 2 {
		lower(table4[c1+1][c2][impact][c4], reach, worst1[c1], depth1[c1])
	}
	if c2 < 1 {
		lower(table4[c1][1][impact][c4], ease, worst2[c2], depth2[c2])
	}
	switch impact {
	case 0:
		lower(max(table4[c1][c2][1][c4], table4[c1][c2][2][c4]), near, worstImpact[impact], depthImpact[impact])
	case 2:
		lower(table4[c1][c2][3][c4], near, worstImpact[impact], depthImpact[impact])
	}
	if c4 < 1 {
		lower(table4[c1][c2][impact][1], far, worst4[c4], depth4[c4])
	}
	score := min(max(value-lost/float64(classes), 0), 10)
	return math.Round((score+1e-6)*10) / 10, true
}

func of(level map[string]int, names ...string) (values []int) {
	for _, name := range names {
		values = append(values, level[name])
	}
	return values
}

func sum(values []int) (n int) {
	for _, v := range values {
		n += v
	}
	return n
}

// class1 returns the class of AV, PR and UI.
func class1(v []int) int {
	switch {
	case sum(v) == 0:
		return 0
	case v[0] < 3 && (v[0] == 0 || v[1] == 0 || v[2] == 0):
		return 1
	}
	return 2
}

// classImpact returns the class of VC, VI and VA.
func classImpact(v []int) int {
	switch {
	case v[0] == 0 && v[1] == 0:
		return 0
	case v[0] == 0 || v[1] == 0 || v[2] == 0:
		return 2
	}
	return 4
}

// below returns how many steps values are below the first of worst that is at least as bad
// in all metrics.
func below(values []int, worst [][]int) int {
	for _, w := range worst {
		n, fits := 0, true
		for i, v := range values {
			fits = fits && v >= w[i]
			n += v - w[i]
		}
		if fits {
			return n
		}
	}
	return 0
}
