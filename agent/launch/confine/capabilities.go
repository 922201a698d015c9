package confine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/capability"

	"github.com/davit-project/davit/units/bundle"
)

// LimitCapabilities removes capabilities that the node itself lacks if the container is to have all: an older kernel
// knows fewer, and a node may be a container itself.
func LimitCapabilities(b *bundle.Bundle) error {
	if !b.AllCapabilities {
		return nil
	}
	own, err := capability.NewPid2(0)
	if err == nil {
		err = own.Load()
	}
	if err != nil {
		return fmt.Errorf("read the node's capabilities: %w", err)
	}
	var missing []string
	for _, c := range capability.ListKnown() {
		if !own.Get(capability.BOUNDING, c) {
			missing = append(missing, "CAP_"+c.String())
		}
	}
	set := b.Spec.Process.Capabilities
	kept := slices.DeleteFunc(slices.Clone(set.Bounding), func(name string) bool {
		return slices.ContainsFunc(missing, func(absent string) bool { return strings.EqualFold(absent, name) })
	})
	set.Bounding, set.Effective, set.Permitted = kept, kept, kept
	return nil
}
