// Package suggest finds the name that was probably meant by one that does not exist.
package suggest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// DidYouMean returns a hint with the candidate nearest to a word, or nothing if none is near.
func DidYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// Nearest returns the candidate nearest to a word, or nothing. It allows one slip in three letters, case apart.
func Nearest(word string, candidates []string) string {
	best, least := "", max(len(word)/3, 1)+1
	// Sorted, so that of two as near the same one is named every time.
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		distance := levenshtein.Distance(strings.ToLower(word), strings.ToLower(candidate), nil)
		if distance < least {
			best, least = candidate, distance
		}
	}
	return best
}
