package diff

// Some units stop before others start: all units on a network that changes, those that exchange things which only one can have,
// and those that stop along with another. If one of them cannot be changed yet, the others would be down until it can. So their
// objects are changed together: none stops before the requirements of all of them are provided.

// sets are disjoint sets of names. Each name leads to another one of its set, and in the end to the one that stands
// for the set; a name without an entry is a set of its own.
type sets map[string]string

func (s sets) of(name string) string {
	for next, ok := s[name]; ok; next, ok = s[name] {
		name = next
	}
	return name
}

func (s sets) join(a, b string) {
	if a, b = s.of(a), s.of(b); a != b {
		s[a] = b
	}
}

// wholeSet stands for the objects whose update policy has them changed as one set.
const wholeSet = "all changes"

// findTogether finds the objects that are changed together.
func (d *differ) findTogether() {
	d.together = sets{}
	halted := map[string]bool{}
	for _, c := range d.changes {
		halted[c.unit] = c.halt
	}
	for _, c := range d.changes {
		object := c.workload.Ref.String()
		if c.workload.Update.Whole {
			d.together.join(object, wholeSet)
		}
		root := d.rootOf(c.unit)
		if halted[root] {
			d.together.join(object, root)
			for _, giver := range d.givers[c.unit] {
				if halted[giver] {
					d.together.join(object, giver)
				}
			}
		}
		if halted[root] || c.yields {
			d.joinOn(object, c)
		}
	}
	for _, unit := range d.removals {
		current := d.actual.Workloads[unit]
		for _, next := range d.replacedBy(current.Ref) {
			if !current.IsDown() {
				d.joinOn(next.workload.Ref.String(), change{unit: unit})
			}
		}
	}
}

// joinOn joins an object with all that is on the networks which a unit of it leaves, and that change.
func (d *differ) joinOn(object string, c change) {
	for _, name := range d.networksOf(c) {
		if d.networkChanges(name) {
			d.together.join(object, "network "+name)
		}
	}
}
