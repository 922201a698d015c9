package nat

import (
	"errors"
	"fmt"
	"slices"

	"github.com/davit-project/davit/units/bundle"
)

// Mend makes the rules of running containers again that are missing. The rules of those that are ready come before
// others for the same port.
func Mend(standing []Standing) error {
	standing = slices.Clone(standing)
	slices.SortStableFunc(standing, func(a, b Standing) int { return rank(a) - rank(b) })
	rules, err := rulesOf(standing)
	failures := []error{err, add(rules)}
	for _, one := range standing {
		if len(one.Ports) > 0 {
			failures = append(failures, one.use())
		}
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("translate addresses: %w", err)
	}
	return preferReady(standing)
}

// rulesOf are the rules of all, each once.
func rulesOf(standing []Standing) ([]rule, error) {
	var rules []rule
	var failures []error
	known := map[string]bool{}
	for _, one := range standing {
		published, err := one.publishing()
		failures = append(failures, err)
		for _, want := range slices.Concat(isolating(one.Network), masquerading(one.Network), published) {
			if name := want.chain.Name + " " + want.comment; !known[name] {
				known[name] = true
				rules = append(rules, want)
			}
		}
	}
	return rules, errors.Join(failures...)
}

// add adds the rules that are missing.
func add(rules []rule) error {
	return transaction(func(conn *socket) (bool, error) {
		present, err := read(conn)
		if err != nil {
			return false, err
		}
		rules = slices.DeleteFunc(rules, func(want rule) bool { return !present.lacks(want) })
		q := queue{conn: conn}
		for _, want := range rules {
			if _, there := present.comments[want.chain.Name]; !there {
				conn.AddTable(table)
				conn.AddChain(want.chain)
				present.comments[want.chain.Name] = map[string]bool{}
			}
			if want.exprs == nil {
				continue
			}
			if err := q.add(want); err != nil {
				return false, err
			}
		}
		return len(rules) > 0, nil
	})
}

// rank is 0 of a container that is ready and 1 of one that is not.
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
		named := ownerNamed(one.Container)
		unready[named.name], unready[named.short] = one.Unready, one.Unready
	}
	var failures []error
	for _, one := range standing {
		container := ownerNamed(one.Container)
		isBehind := func(port bundle.Port) bool { return present.isBehind(port, container, unready) }
		if !one.Unready && slices.ContainsFunc(one.Ports, isBehind) {
			failures = append(failures, Prefer(one.Endpoint))
			present.prefer(container)
		}
	}
	return errors.Join(failures...)
}
