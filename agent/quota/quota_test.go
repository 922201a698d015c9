package quota

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheFirstProjectThatIsNeitherNamedNorUsedIsChosen(t *testing.T) {
	t.Parallel()
	ids := func(ids ...uint32) map[uint32]bool {
		set := map[uint32]bool{}
		for _, id := range ids {
			set[id] = true
		}
		return set
	}
	for name, test := range map[string]struct {
		named, used map[uint32]bool
		want        uint32
	}{
		"none is":                    {nil, nil, firstID},
		"the first is named":         {ids(firstID), nil, firstID + 1},
		"some are in use":            {nil, ids(firstID, firstID+1), firstID + 2},
		"one between others is free": {ids(firstID + 2), ids(firstID), firstID + 1},
		"others are of no interest":  {ids(0, 1, 1048577), ids(1<<31, lastID), firstID},
	} {
		got, err := choose(test.named, func(id uint32) (bool, error) { return test.used[id], nil })
		if err != nil || got != test.want {
			t.Errorf("%s: %d, %v, want %d", name, got, err, test.want)
		}
	}
}

func TestProjectsEnd(t *testing.T) {
	t.Parallel()
	if id, err := choose(nil, func(uint32) (bool, error) { return true, nil }); err == nil {
		t.Errorf("chose %d although all are in use", id)
	}
	broken := errors.New("input/output error")
	if _, err := choose(nil, func(uint32) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestNamedProjects(t *testing.T) {
	t.Parallel()
	named := map[uint32]bool{}
	addNamed(named, "# of the owner\n10:/var/log\n 11 :/srv\n#12:/old\n\n1073741824:/home\nnone:/x\n4294967296:/y\n13", 0)
	addNamed(named, "logs:20\n#old:21\nnoid\nlast:22", 1)
	want := map[uint32]bool{10: true, 11: true, 13: true, 20: true, 22: true, 1073741824: true}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyProjectsOfItsOwnAreTakenFromARecord(t *testing.T) {
	t.Parallel()
	record := filepath.Join(t.TempDir(), "projects")
	if ids, err := recorded(record); err != nil || ids != nil {
		t.Errorf("%v, %v without a record", ids, err)
	}
	projects := []project{{firstID, "/containers/web/writable"}, {firstID + 7, "/a b"}}
	for _, p := range projects {
		if err := write(record, p); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(record, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString("0 /\n77 /srv\nrubbish\n2147483648 /systemd\n1073741830\n10737")
	}
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := recorded(record)
	if diff := cmp.Diff(projects, got, cmp.AllowUnexported(project{})); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
}

func TestWithoutQuotasThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	record := filepath.Join(dir, "projects")
	if err := write(record, project{firstID, dir}); err != nil {
		t.Fatal(err)
	}
	if err := Release("/proc", record); err != nil { // a file system that never has quotas
		t.Error(err)
	}
	if f, err := On("/proc"); f != nil || err != nil {
		t.Errorf("quotas are on: %v, %v", f, err)
	}
	if _, err := On(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v for a directory that does not exist", err)
	}
}
