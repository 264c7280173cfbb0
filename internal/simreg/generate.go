package simreg

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Proportions of the real index of September 2025: 1,700,624 versions of 197,976 crates, 5
// % of them yanked, 0.94 % with build metadata.
const (
	versionsPerCrate = 8.6
	yankedShare      = 0.05
	buildShare       = 0.0094
)

// The sizes of crate files are roughly lognormal.
const (
	sizeSpread    = 1.1 // standard deviation of the logarithm
	maxFileSize   = 10 << 20
	emptyFileSize = 520 // a crate file without noise
)

// Generate describes n versions for load tests. Their crate files have a median size of
// median bytes, their names and numbers resemble real ones, they have no dependencies, and
// the same seed gives the same bytes. Memory is about 300 bytes per version, whatever the
// median.
func Generate(n, median int, seed uint64) *Registry {
	rng := rand.New(rand.NewPCG(seed, 0))
	versions := make([]Version, 0, n)
	taken := make(map[string]bool)
	for len(versions) < n {
		name := crateName(rng)
		folded := strings.ToLower(ident(name)) // unique on crates.io
		if taken[folded] {
			continue
		}
		taken[folded] = true
		history := 1 + int(rng.ExpFloat64()*(versionsPerCrate-0.5)) // mean versionsPerCrate
		major, minor, patch := 0, 1, 0
		for range min(history, n-len(versions)) {
			versions = append(versions, Version{
				Name: name, Version: versionText(rng, major, minor, patch),
				Yanked: rng.Float64() < yankedShare, Size: noiseSize(rng, median),
			})
			major, minor, patch = nextVersion(rng, major, minor, patch)
		}
	}
	return newRegistry(seed, versions)
}

func versionText(rng *rand.Rand, major, minor, patch int) string {
	v := fmt.Sprintf("%d.%d.%d", major, minor, patch)
	if rng.Float64() < buildShare {
		v += "+" + strconv.Itoa(rng.IntN(100))
	}
	return v
}

func nextVersion(rng *rand.Rand, major, minor, patch int) (int, int, int) {
	switch p := rng.Float64(); {
	case p < 0.7:
		return major, minor, patch + 1
	case p < 0.97:
		return major, minor + 1, 0
	default:
		return major + 1, 0, 0
	}
}

func noiseSize(rng *rand.Rand, median int) int {
	size := float64(median) * math.Exp(sizeSpread*rng.NormFloat64())
	return max(0, int(min(size, maxFileSize))-emptyFileSize)
}

var (
	nameStarts = []string{
		"async", "serde", "tokio", "rust", "easy", "tiny", "fast", "safe", "open", "web", "git", "cloud", "data",
		"simple", "micro", "hyper", "solana", "aws", "bevy", "wasm", "ruff", "swc", "x", "q", "io", "net", "py",
	}
	nameEnds = []string{
		"core", "derive", "macros", "sys", "cli", "utils", "client", "server", "parser", "json", "http", "types",
		"api", "sdk", "store", "cache", "log", "queue", "graph", "tree", "map", "lock", "pool", "test", "codec",
	}
	syllables = []string{"ba", "co", "di", "fu", "ge", "hi", "ju", "ka", "lo", "mi", "nu", "pa", "ri", "so", "ta", "vo", "xe", "zu"}
)

// crateName makes names like "tokio-kalo-macros", "serde_nuvo" and "Bariso".
func crateName(rng *rand.Rand) string {
	word := ""
	for range 2 + rng.IntN(3) {
		word += syllables[rng.IntN(len(syllables))]
	}
	sep := "-"
	if rng.Float64() < 0.3 {
		sep = "_"
	}
	switch rng.IntN(4) {
	case 0:
		word = nameStarts[rng.IntN(len(nameStarts))] + sep + word
	case 1:
		word += sep + nameEnds[rng.IntN(len(nameEnds))]
	case 2:
		word = nameStarts[rng.IntN(len(nameStarts))] + sep + word + sep + nameEnds[rng.IntN(len(nameEnds))]
	default:
		if rng.Float64() < 0.02 {
			word = string(word[0]-'a'+'A') + word[1:]
		}
	}
	return word
}
