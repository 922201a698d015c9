package manifests

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// DidYouMean is didYouMean for names that are no part of a manifest, such as a command's
// arguments.
func DidYouMean(word string, candidates []string) string { return didYouMean(word, candidates) }

// didYouMean returns a hint with the candidate nearest to a word, or nothing when none is
// near.
func didYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest allows one slip in three letters, case apart.
func nearest(word string, candidates []string) string {
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
