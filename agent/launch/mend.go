package launch

import (
	"errors"
	"fmt"

	"github.com/davit-project/davit/agent/nat"
)

// Mend restores what others have removed of what launchers made for running containers, without restarting them:
// records, files of /etc, mounts of a sandbox, devices, addresses, routes, leases and nftables rules. It returns, by
// container, why something cannot be restored. It leaves out a container that its launcher is starting or cleaning up
// after.
func Mend(ids []string) map[string]error {
	m := mending{failures: map[string]error{}, bridges: map[string]error{}}
	for _, id := range ids {
		err := m.mend(id)
		if errors.Is(err, errChanging) {
			fmt.Fprintf(messages, "davit-run: %s: %v\n", id, err)
		} else if err != nil {
			m.failures[id] = err
		}
	}
	if err := nat.Mend(m.standing); err != nil {
		m.failRules(err)
	}
	return m.failures
}

// mending mends several containers: what they share once, and the rules of all together.
type mending struct {
	failures map[string]error
	bridges  map[string]error // of those that were mended, by device
	standing []nat.Standing
}

// mend mends one container, but for its rules.
func (m *mending) mend(id string) error {
	b, err := holdRecord(id)
	if b == nil || err != nil {
		return err
	}
	if b.Sandbox != "" {
		return nil // what else it has is the sandbox's
	}
	lost := lostFiles(b)
	var failures []error
	if isSandbox(b) {
		failures = append(failures, mendSandbox(b))
	}
	return errors.Join(append(failures, m.connect(b), mendFiles(b, lost))...)
}

// failRules notes for each container that the rules were not restored. The error is about all of them, and may be long:
// one container has it, the others refer to that one.
func (m *mending) failRules(err error) {
	noted := map[string]bool{}
	for i, one := range m.standing {
		if i > 0 {
			err = fmt.Errorf("nftables rules: see %s", m.standing[0].Container)
		}
		if !noted[one.Container] {
			noted[one.Container] = true
			m.failures[one.Container] = errors.Join(m.failures[one.Container], err)
		}
	}
}
