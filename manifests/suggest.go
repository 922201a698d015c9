package manifests

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

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
	for _, candidate := range candidates {
		distance := levenshtein.Distance(strings.ToLower(word), strings.ToLower(candidate), nil)
		if distance < least {
			best, least = candidate, distance
		}
	}
	return best
}
