//go:build linux

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/manifests/suggest"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

// ownUnit is a davit unit that has a bundle: a container, or the sandbox of a pod.
type ownUnit struct {
	// ID is the unit's name without ".service".
	ID string
	// Object is the manifest's object, "Pod/app".
	Object string
	// Sandbox is set when it keeps a pod's namespaces and runs nothing.
	Sandbox bool
	// Running is set when it was started and not cleaned up yet, as far as root can see.
	Running bool
}

// runs reports whether its container runs.
func (u ownUnit) runs() bool { return u.Running && !u.Sandbox }

// number is the end of a replica's name, "@2".
func (u ownUnit) number() string { return numberOf(u.ID) }

func numberOf(name string) string {
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		return name[i:]
	}
	return ""
}

// ownUnits lists them by name.
func ownUnits() ([]ownUnit, error) {
	files, err := new(systemd.Files).List()
	if err != nil {
		return nil, err
	}
	var found []ownUnit
	for _, name := range slices.Sorted(maps.Keys(files)) {
		own := files[name]
		if own.Bundle == "" {
			continue // a timer, or a target
		}
		unit := ownUnit{ID: names.ID(name), Object: own.Object, Sandbox: own.Sandbox}
		_, err = os.Stat(runningConfig(unit.ID))
		unit.Running = err == nil // only root can see that
		found = append(found, unit)
	}
	return found, nil
}

// runningConfig is the configuration of the running container.
func runningConfig(id string) string {
	return filepath.Join(bundle.AttachmentsDir, id, bundle.ConfigFile)
}

// bundle reads the running version.
func (u ownUnit) bundle() (*bundle.Bundle, error) {
	text, err := os.ReadFile(runningConfig(u.ID))
	if err != nil {
		return nil, fmt.Errorf("%s does not run: %w", u.ID, err)
	}
	return bundle.Decode(text)
}

// matching returns the containers that a person means by a name: that of a unit, of a pod's
// container as POD/CONTAINER, or of an object, whose containers are all meant. POD@2 is the
// second replica.
func matching(name string, all []ownUnit) []ownUnit {
	name = names.ID(name)
	for _, unit := range all {
		if unit.ID == name {
			return []ownUnit{unit}
		}
	}
	pod, container, isMember := strings.Cut(name, "/")
	number := numberOf(pod)
	pod = strings.TrimSuffix(pod, number)
	var found []ownUnit
	for _, unit := range all {
		_, object, _ := strings.Cut(unit.Object, "/")
		switch {
		case unit.Sandbox, object != pod, number != "" && unit.number() != number:
		case isMember && strings.TrimSuffix(unit.ID, unit.number()) != pod+"-"+container:
		default:
			found = append(found, unit)
		}
	}
	return found
}

// find returns the containers that a person means, at least one.
func find(name string) ([]ownUnit, error) {
	all, err := ownUnits()
	if err != nil {
		return nil, err
	}
	if found := matching(name, all); len(found) > 0 {
		return found, nil
	}
	return nil, noContainer(name, all)
}

// noContainer is the error for a name that means none.
func noContainer(name string, all []ownUnit) error {
	hint := suggest.DidYouMean(name, ids(all))
	if hint == "" {
		hint = "see davit status"
	}
	return fmt.Errorf("no container %q on this node: %s", name, hint)
}

// findRunning returns the one container that a person means, which runs.
func findRunning(name string) (ownUnit, error) {
	if err := needRoot(); err != nil {
		return ownUnit{}, err
	}
	found, err := find(name)
	if err != nil {
		return ownUnit{}, err
	}
	if len(found) > 1 {
		return ownUnit{}, fmt.Errorf("%s has several containers: name one of %s", name, strings.Join(ids(found), ", "))
	}
	if !found[0].Running {
		return ownUnit{}, fmt.Errorf("%s does not run: see systemctl status %s", name, found[0].ID)
	}
	if found[0].Sandbox {
		return ownUnit{}, fmt.Errorf("%s is the sandbox of a pod, which runs nothing: name one of its containers", name)
	}
	return found[0], nil
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("davit needs root to see running containers: try sudo")
	}
	return nil
}

func ids(all []ownUnit) []string {
	var names []string
	for _, unit := range all {
		names = append(names, unit.ID)
	}
	return names
}

// completeNames offers containers to the shell.
func completeNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeWhere(args, func(unit ownUnit) bool { return !unit.Sandbox })
}

// completeRunning offers containers that run.
func completeRunning(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeWhere(args, ownUnit.runs)
}

func completeWhere(args []string, wanted func(ownUnit) bool) ([]string, cobra.ShellCompDirective) {
	all, err := ownUnits()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all = slices.DeleteFunc(all, func(unit ownUnit) bool { return !wanted(unit) })
	return ids(all), cobra.ShellCompDirectiveNoFileComp
}
