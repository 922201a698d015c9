package resolve_test

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// allowedCall finds the rules that let a call through.
func allowedCall(filter *specs.LinuxSeccomp, name string) []specs.LinuxSyscall {
	return slices.DeleteFunc(slices.Clone(filter.Syscalls), func(rule specs.LinuxSyscall) bool {
		return rule.Action != specs.ActAllow || !slices.Contains(rule.Names, name)
	})
}

func TestSeccompFollowsCapabilities(t *testing.T) {
	for name, test := range map[string]struct {
		capabilities    []string
		allowed, denied []string
	}{
		"the default set": {
			resolve.DefaultCapabilities,
			[]string{"read", "clone", "chroot", "ptrace", "socket"},
			[]string{"mount", "unshare", "setns", "keyctl", "add_key", "bpf", "io_uring_setup", "userfaultfd", "syslog", "reboot", "clone3"},
		},
		"SYS_ADMIN": {[]string{"CAP_SYS_ADMIN"}, []string{"mount", "unshare", "setns", "clone3", "syslog", "bpf"}, []string{"keyctl", "reboot"}},
		"SYSLOG":    {[]string{"CAP_SYSLOG"}, []string{"syslog"}, []string{"mount"}},
		"SYS_NICE":  {[]string{"CAP_SYS_NICE"}, []string{"mbind"}, nil},
		"none":      {nil, []string{"read", "clone"}, []string{"chroot", "mount"}},
	} {
		t.Run(name, func(t *testing.T) {
			filter := resolve.DefaultFilter(reconciletest.TestNode.DefaultSeccomp, test.capabilities, "amd64")
			for _, call := range test.allowed {
				if len(allowedCall(filter, call)) == 0 {
					t.Errorf("%s is denied", call)
				}
			}
			for _, call := range test.denied {
				if rules := allowedCall(filter, call); len(rules) > 0 {
					t.Errorf("%s is allowed: %v", call, rules)
				}
			}
		})
	}
}

func TestDefaultFilterRefusesSomeAddressFamilies(t *testing.T) {
	families := func(capabilities ...string) (allowed []uint64) {
		for _, rule := range allowedCall(resolve.DefaultFilter(reconciletest.TestNode.DefaultSeccomp, capabilities, "amd64"), "socket") {
			first := rule.Args[0]
			for family := range uint64(46) {
				if first.Op == specs.OpEqualTo && family == first.Value && len(rule.Args) == 1 ||
					first.Op == specs.OpLessThan && family < first.Value || first.Op == specs.OpGreaterThan && family > first.Value {
					allowed = append(allowed, family)
				}
			}
		}
		return allowed
	}
	got := families()
	for family := range uint64(46) {
		want := !slices.Contains([]uint64{resolve.AfNetlink, resolve.AfALG, resolve.AfVsock}, family)
		if slices.Contains(got, family) != want {
			t.Errorf("family %d: allowed is %v, want %v", family, !want, want)
		}
	}
	if !slices.Contains(families("CAP_AUDIT_WRITE"), resolve.AfNetlink) {
		t.Error("CAP_AUDIT_WRITE does not give all of netlink")
	}
}

func TestDefaultFilterKeepsCloneFromMakingNamespaces(t *testing.T) {
	for architecture, want := range map[string]uint{"amd64": 0, "arm64": 0, "s390x": 1} {
		rules := allowedCall(resolve.DefaultFilter(reconciletest.TestNode.DefaultSeccomp, resolve.DefaultCapabilities, architecture), "clone")
		if len(rules) != 1 || len(rules[0].Args) != 1 || rules[0].Args[0].Index != want || rules[0].Args[0].Op != specs.OpMaskedEqual {
			t.Errorf("%s: got %v, want the flags in argument %d masked", architecture, rules, want)
		}
	}
}
