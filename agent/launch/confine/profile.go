// Package confine chooses the confinement of a container's processes: AppArmor profile, SELinux labels, capabilities, system
// calls, hidden files, socket options.
//
// A bundle declares the confinement, and the node decides which of it is possible: which profiles are loaded, which
// capabilities exist, which architectures the image has programs for. The package knows nothing of how root file
// systems and networks are made.
package confine

import (
	"fmt"

	"github.com/davit-project/davit/units/bundle"
)

// Profile has the names under which the kernel confines a container.
type Profile struct {
	// AppArmor is a profile that is loaded; empty for none.
	AppArmor string
	Labels
}

// Choose chooses a container's or a sandbox's profile. It labels the container's own directories, so that files made in
// them later inherit the label: call it after they are made, and before anything is made in them.
func Choose(b *bundle.Bundle) (profile Profile, err error) {
	if b.Spec.Process != nil {
		if profile.AppArmor, err = nodeAppArmor.profile(b.Spec.Process.ApparmorProfile); err != nil {
			return Profile{}, fmt.Errorf("confine it by AppArmor: %w", err)
		}
	}
	profile.Labels, err = ChooseLabels(b)
	return profile, err
}

// Apply writes the profile to a container's configuration.
func (p Profile) Apply(b *bundle.Bundle) {
	p.Labels.Apply(b)
	if b.Spec.Process != nil {
		b.Spec.Process.ApparmorProfile = p.AppArmor
	}
}
