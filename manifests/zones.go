package manifests

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// zones.txt are the names of the IANA database, 2026, one a line.
//
//go:embed zones.txt
var zonesText string

// zones are the names of time zones, sorted.
var zones = sync.OnceValue(func() []string { return strings.Fields(zonesText) })

// checkZone refuses a time zone that is none: a timer with it would not be loaded.
func (d *document) checkZone(field, name string) {
	if _, known := slices.BinarySearch(zones(), name); !known {
		d.errorHint(field, didYouMean(name, zones()), "%q: want the name of a time zone such as Europe/Berlin", name)
	}
}
