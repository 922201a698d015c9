package cleanup

import (
	"context"
	"strings"
	"testing"
)

func TestCleanupTakesOnlyIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "..", "a/b", "-a", "A", "a@", "a@b", "@1", strings.Repeat("a", 128)} {
		if err := cleanUpWhole(context.Background(), id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
}
