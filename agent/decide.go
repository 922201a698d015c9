package agent

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/davit-project/davit/agent/generations"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/reconcile/history"
)

// History returns the generations that are kept, the newest one first.
func (n *Node) History() ([]history.Generation, error) { return n.generations.List() }

// Compare returns the differences of an object between two generations.
func (n *Node) Compare(before, after int) ([]compare.Difference, error) {
	old, err := n.wholeEarlier(before)
	if err != nil {
		return nil, err
	}
	changed, err := n.wholeEarlier(after)
	if err != nil {
		return nil, err
	}
	return compare.Compare(old, changed), nil
}

// RollBack decides that the node be as a generation was, until the manifests change; 0 means the
// one that [reconcile.Back] chooses. It returns the generation's number. The next [Node.Apply] acts on it.
func (n *Node) RollBack(set *manifests.Set, number int) (int, error) {
	kept, err := n.generations.List()
	if err != nil {
		return 0, err
	}
	if back, ok := history.Back(kept); ok && number == 0 {
		number = back.Number
	}
	if !slices.ContainsFunc(kept, func(g history.Generation) bool { return g.Number == number }) {
		return 0, fmt.Errorf("there is no such generation to go back to: see davit history")
	}
	if _, err := n.wholeEarlier(number); err != nil {
		return 0, err
	}
	digest, err := digestOf(set)
	if err != nil {
		return 0, err
	}
	pin := generations.Pin{Generation: number, Since: time.Now(), Manifests: digest}
	return pin.Generation, n.generations.SetPin(&pin)
}

// Suspend decides that nothing of an object changes for now; "" means everything.
func (n *Node) Suspend(object string) error {
	decided, err := n.generations.Decisions()
	if err != nil {
		return err
	}
	if _, ok := decided.Suspended[object]; !ok {
		decided.Suspended[object] = time.Now()
	}
	return n.generations.SetSuspended(decided.Suspended)
}

// Resume lets the manifests decide about an object again: it is not suspended any more, and a version
// that did not work is tried again. "" means everything, a rollback too.
func (n *Node) Resume(object string) error {
	failure := n.reconsider(object)
	if object == "" {
		return errors.Join(failure, n.generations.SetPin(nil), n.generations.SetSuspended(nil), n.generations.SetQuarantine(nil))
	}
	decided, err := n.generations.Decisions()
	if err != nil {
		return err
	}
	delete(decided.Suspended, object)
	delete(decided.Quarantine, object)
	return errors.Join(failure, n.generations.SetSuspended(decided.Suspended), n.generations.SetQuarantine(decided.Quarantine))
}

// reconsider judges failed objects of the newest generation again, if they still exist; "" means all of them.
func (n *Node) reconsider(object string) error {
	kept, _ := n.generations.List() // the next pass reports files that cannot be read
	if len(kept) == 0 || len(kept[0].Failed) == 0 {
		return nil
	}
	desired, err := n.generations.Desired(kept[0].Number)
	if err != nil {
		return err
	}
	newest := kept[0].Clone()
	if newest.Reconsider(desired, object); newest.Same(kept[0]) {
		return nil
	}
	return n.generations.Finish(newest)
}
