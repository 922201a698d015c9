package systemd

import (
	"context"
	"path/filepath"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Foreign returns, for unit names that unmanaged units use, the origin of the unit: its file, or systemd's description
// of it. Free names are left out.
func (s *Manager) Foreign(ctx context.Context, names []string) (map[string]string, error) {
	foreign := map[string]string{}
	if len(names) == 0 {
		return foreign, nil
	}
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := conn.list(ctx, names)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if isFree(listed[i].state()) {
			continue
		}
		state, err := s.State(ctx, name)
		if err != nil {
			return nil, err
		}
		if owner := foreignOwner(name, state); owner != "" {
			foreign[name] = owner
		}
	}
	return foreign, nil
}

// isFree reports whether there is no unit.
func isFree(s units.State) bool { return s.LoadState == "not-found" && s.ActiveState == names.Inactive }

// foreignOwner is the file that a unit comes from, or its load state, if it is not davit's; empty if it is, or if there is no
// unit.
func foreignOwner(name string, s units.State) string {
	switch {
	case isFree(s), s.FragmentPath == filepath.Join(bundle.UnitsDir, name):
		return ""
	case s.FragmentPath != "":
		return s.FragmentPath
	case names.IsSlice(name):
		return "" // systemd makes up a slice that has no file
	default:
		return s.LoadState
	}
}
