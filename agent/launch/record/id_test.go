package record

import (
	"strings"
	"testing"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", maxName)
	for id, want := range map[string]bool{
		"web": true, "w": true, "web-1": true, "web@2": true, "web@surge1": true, longest: true, longest + "@10": true,
		"": false, "-web": false, "web-": false, "Web": false, "web@": false, "web@x": false, "../web": false, "web/x": false,
		"web\n": false, longest + "a": false,
	} {
		if got := IsID(id); got != want {
			t.Errorf("%q: %t", id, got)
		}
	}
}
