package source

import (
	"slices"
	"strings"
)

// Suggest returns the name among known that name was most likely meant to be,
// or nothing when none is near.
func Suggest(name string, known []string) string {
	limit := max(2, len(name)/3)
	best, distance := "", limit+1
	folded := strings.ToLower(name)
	for _, k := range known {
		if d := Distance(folded, strings.ToLower(k), distance); d < distance {
			best, distance = k, d
		}
	}
	if distance >= len(name) {
		return "" // nothing of the name would be left
	}
	return best
}

// Distance counts the letters to add, drop or replace between a and b; at or
// above the limit it may stop counting.
func Distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
		if slices.Min(row) >= limit {
			return limit
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
