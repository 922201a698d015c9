package namespaces

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRangesComeFromTheEntriesOfDavit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text         string
		first, count uint32
		wrong        bool
	}{
		"none":               {"root:1:2\ncontainers:1000000:65536\n", 0, 0, false},
		"the first counts":   {"other:1:2\ndavit:1000000:131072\ndavit:5000000:65536\n", 1000000, 131072, false},
		"no number":          {"davit:x:65536\n", 0, 0, true},
		"root's":             {"davit:0:65536\n", 0, 0, true},
		"past the last id":   {"davit:4294901760:65536\n", 0, 0, true},
		"too large a number": {"davit:4294967297:65536\n", 0, 0, true},
		"another's words":    {"davitx:1:2\n#davit:1:2\n", 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			first, count, err := parseSubordinate(test.text, "/etc/subuid")
			if first != test.first || count != test.count || (err != nil) != test.wrong {
				t.Errorf("got %d, %d, %v", first, count, err)
			}
		})
	}
}

func TestTheDefaultRangeIsWhatSystemdSetsAsideForContainers(t *testing.T) {
	t.Parallel()
	const first, last = 524288, 1879048191
	end := uint64(defaultRange.uid) + uint64(defaultRange.count)*rangeSize - 1
	if defaultRange.uid < first || end != last || defaultRange.gid != defaultRange.uid {
		t.Errorf("it is %d to %d", defaultRange.uid, end)
	}
}

func TestRangesThatHaveIDsInCommonOverlap(t *testing.T) {
	t.Parallel()
	ids := idRange{uid: 3 * rangeSize, gid: 9 * rangeSize}
	for name, test := range map[string]struct {
		other idRange
		want  bool
	}{
		"itself":            {ids, true},
		"the next":          {idRange{uid: 4 * rangeSize, gid: 10 * rangeSize}, false},
		"the one before":    {idRange{uid: 2 * rangeSize, gid: 8 * rangeSize}, false},
		"one id":            {idRange{uid: 4*rangeSize - 1, gid: 20 * rangeSize}, true},
		"its groups":        {idRange{uid: 20 * rangeSize, gid: 9*rangeSize + 5}, true},
		"far, on one side":  {idRange{uid: 1 << 31, gid: 1 << 31}, false},
		"far, on the other": {idRange{uid: 1, gid: 1}, false},
	} {
		if got := ids.overlaps(test.other); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestAHalfWrittenRangeIsNone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), usersFile)
	for text, want := range map[string]idRange{"65536 131072\n": {65536, 131072, 1}, "65536": {}, "65536 13": {}, "": {}} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readRange(file); got != want || (err == nil) != (want.count == 1) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}
