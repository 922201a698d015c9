package check

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/davit-project/davit/manifests/suggest"
)

// zones.txt are the names of the IANA database, 2026, one a line.
//
//go:embed zones.txt
var zonesText string

// zones are the names of time zones, sorted.
var zones = sync.OnceValue(func() []string { return strings.Fields(zonesText) })

// checkZone refuses a time zone that is none: a timer with it would not be loaded.
func checkZone(s *Subject, field, name string) {
	if _, known := slices.BinarySearch(zones(), name); !known {
		s.errorHint(field, suggest.DidYouMean(name, zones()), "%q: want the name of a time zone such as Europe/Berlin", name)
	}
}
