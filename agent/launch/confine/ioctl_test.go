package confine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// isAllowed applies the rules of a filter for ioctl(2) to a call.
func isAllowed(filter *specs.LinuxSeccomp, call uint64) bool {
	for _, rule := range filter.Syscalls {
		for _, name := range rule.Names {
			if name != "ioctl" {
				continue
			}
			if len(rule.Args) == 0 {
				return true
			}
			if arg := rule.Args[0]; arg.Op == specs.OpMaskedEqual && call&arg.Value == arg.ValueTwo {
				return true
			}
		}
	}
	return false
}

func TestOnlyTheChangeOfProjectsIsRefused(t *testing.T) {
	t.Parallel()
	filter := &specs.LinuxSeccomp{Syscalls: []specs.LinuxSyscall{
		{Names: []string{"read", "ioctl", "write"}, Action: specs.ActAllow}, {Names: []string{"ioctl"}, Action: specs.ActAllow},
	}}
	KeepProjects(filter)
	if diff := cmp.Diff([]string{"read", "write"}, filter.Syscalls[0].Names); diff != "" {
		t.Error(diff)
	}
	for name, test := range map[string]struct {
		call uint64
		want bool
	}{
		"FS_IOC_FSSETXATTR":                          {0x401c5820, false},
		"that of PowerPC":                            {0x801c5820, false},
		"with bits that the kernel drops":            {0xffffffff_401c5820, false},
		"FS_IOC_FSGETXATTR":                          {0x801c581f, true},
		"a call of the same number and another type": {0x401c5920, true},
		"TCGETS":          {unix.TCGETS, true},
		"0":               {0, true},
		"FS_IOC_SETFLAGS": {unix.FS_IOC_SETFLAGS, true},
	} {
		if got := isAllowed(filter, test.call); got != test.want {
			t.Errorf("%s is allowed: %v", name, got)
		}
	}
}

func TestFiltersWithRulesOfTheirOwnForIoctlStay(t *testing.T) {
	t.Parallel()
	KeepProjects(nil)
	for name, rule := range map[string]specs.LinuxSyscall{
		"refused": {Names: []string{"ioctl"}, Action: specs.ActErrno},
		"some":    {Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Value: 1, Op: specs.OpEqualTo}}},
		"none":    {Names: []string{"read"}, Action: specs.ActAllow},
	} {
		filter := &specs.LinuxSeccomp{Syscalls: []specs.LinuxSyscall{rule}}
		KeepProjects(filter)
		if diff := cmp.Diff([]specs.LinuxSyscall{rule}, filter.Syscalls); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
