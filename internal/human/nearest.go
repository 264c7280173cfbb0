package human

// maxTypos is the maximum number of letters in which a word may differ from the one that was
// meant. It is also at most one in three.
const maxTypos = 3

// Nearest returns the first of the names that differ least from word, or "" if all differ by
// more than a typing error.
func Nearest(names []string, word string) (meant string) {
	best := min(len(word)/3, maxTypos) + 1
	for _, name := range names {
		if d := distance(word, name); d < best {
			meant, best = name, d
		}
	}
	return meant
}

// DidYouMean returns the end of an error about an unknown word, or "" if meant is empty.
func DidYouMean(meant string) string {
	if meant == "" {
		return ""
	}
	return "; did you mean " + meant + "?"
}

// distance returns the number of letters to insert, remove, change or swap with the next one
// to turn a into b: the optimal string alignment distance.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			changed := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
