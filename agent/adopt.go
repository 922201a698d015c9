package agent

import (
	"maps"
	"path/filepath"

	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units"
)

// adopt keeps the rendering of another davit, unless the node is to be refreshed.
func (n *Node) adopt(v *view, files map[string]units.Own) error {
	rendered := renderedUnits(files)
	known, err := n.renderedFrom()
	v.inputs = resolve.AppliedInputs(v.desired, rendered, known)
	if !n.Refresh {
		v.desired = resolve.Adopt(v.desired, rendered, known, n.bundles.Read)
	}
	return err
}

// renderedUnits are the unit files as the core looks at them.
func renderedUnits(files map[string]units.Own) map[string]resolve.Rendered {
	rendered := make(map[string]resolve.Rendered, len(files))
	for name, own := range files {
		unit := resolve.Rendered{Object: own.Object, Text: own.Text}
		if own.Bundle != "" {
			unit.BundleDir = filepath.Base(own.Bundle)
		}
		rendered[name] = unit
	}
	return rendered
}

// renderedFrom are the inputs that the objects on the disk were rendered from. They are read once; if they cannot
// be read, they are unknown.
func (n *Node) renderedFrom() (map[string]string, error) {
	if n.last.inputs != nil {
		return n.last.inputs, nil
	}
	var err error
	n.last.inputs, err = n.generations.Inputs()
	return n.last.inputs, err
}

// noteInputs stores the inputs of the objects on the disk for the next davit.
func (n *Node) noteInputs(v *view) error {
	if maps.Equal(v.inputs, n.last.inputs) {
		return nil
	}
	if err := n.generations.SetInputs(v.inputs); err != nil {
		return err
	}
	n.last.inputs = v.inputs
	return nil
}
