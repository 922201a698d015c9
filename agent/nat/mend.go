package nat

import (
	"errors"
	"fmt"
	"slices"
)

// batch bounds the rules of one transaction: the kernel has to take it, and to answer each of its parts, in a socket's
// buffer.
const batch = 100

// Mend makes the rules of running containers again that are missing. The rules of those that are ready come before
// others for the same port.
func Mend(standing []Standing) error {
	standing = slices.Clone(standing)
	slices.SortStableFunc(standing, func(a, b Standing) int { return rank(a) - rank(b) })
	var rules []rule
	var failures []error
	for _, one := range standing {
		published, err := one.publishing()
		failures = append(failures, err)
		rules = slices.Concat(rules, masquerading(one.Network), published)
	}
	for part := range slices.Chunk(rules, batch) {
		failures = append(failures, ensure(part))
	}
	for _, one := range standing {
		if len(one.Ports) > 0 {
			failures = append(failures, one.open())
		}
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("translate addresses: %w", err)
	}
	return preferReady(standing)
}

// rank is 0 of what is ready and 1 of what is not.
func rank(one Standing) int {
	if one.Unready {
		return 1
	}
	return 0
}

// preferReady has the ports that several publish lead to one that is ready.
func preferReady(standing []Standing) error {
	present, err := readTable()
	if err != nil {
		return err
	}
	unready := map[string]bool{}
	for _, one := range standing {
		unready[one.Container] = one.Unready
	}
	var failures []error
	for _, one := range standing {
		for _, port := range one.Ports {
			name := fmt.Sprintf("%d/%s", port.HostPort, port.Protocol)
			if !one.Unready && unready[present.first[name]] {
				failures = append(failures, Prefer(one.Endpoint))
				present.first[name] = one.Container
			}
		}
	}
	return errors.Join(failures...)
}
