package check_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func TestPassThroughIsChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec(`service: {Nice: "1\uFFFE"}`), `spec.service.Nice: "1\ufffe" has U+FFFE, which is no character`},
		{spec(`service: {CPUAffinity: '` + strings.Repeat("1,", 1<<19) + `1'}`), `spec.service.CPUAffinity: has 1048577 bytes: systemd takes at most 1048320 in a line`},
		{spec("service: {MemoryMaxx: 1G}"), `spec.service.MemoryMaxx: is no setting of [Service] in systemd 252 to 257`},
		{spec("unit: {Wants: [a.service], MemoryMax: 1G}"), `spec.unit.MemoryMax: is no setting of [Unit] in systemd 252 to 257`},
		{spec("service: {TimeoutStartSec: 5parsecs}"), `spec.service.TimeoutStartSec: "5parsecs": want a time such as`},
		{spec("service: {LimitNOFILE: 5, CPUWeight: [5, heavy]}"), `spec.service.CPUWeight: "heavy": want a number from 1 to 10000, or idle`},
		{spec("service: {Slice: a b.slice}"), `spec.service.Slice: "a b.slice": want a slice below the root slice`},
	})
}

func TestSettingsNoTrickGetsPast(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"service: {ExecStart: []}", "service: {ExecStart: }", "service: {Delegate: []}", "service: {TasksMax: [1, null]}",
		"install: {Alias: 'web-a.service sshd.service'}", "install: {Alias: web-a.service/x}",
		`install: {WantedBy: 'sys"init".target'}`, `unit: {OnFailure: 'power"off".target'}`,
		"unit: {OnFailure: ctrl-alt-del.target}", "unit: {OnFailure: runlevel6.target}", "unit: {OnFailureJobMode: isolate}",
		"unit: {Conflicts: system.slice}", "unit: {PropagatesStopTo: davit.service}",
		"service: {StateDirectory: davit, StateDirectoryMode: '0777'}", "service: {RuntimeDirectory: davit}",
		"ports: [{containerPort: 1, endPort: 10, hostPort: 2147483647}]",
		`ports: [{containerPort: 1, hostPort: 80, hostIP: "::1%a\nb"}]`, `hostAliases: [{ip: "::1%x\n6.6.6.6 evil", hostnames: [a]}]`,
		"ports: [{containerPort: 1, hostPort: 80, hostIP: '::ffff:10.0.0.1'}, {containerPort: 1, hostPort: 80, hostIP: 10.0.0.1}]",
	} {
		if loadText(spec(setting)).Complete() {
			t.Errorf("%s is not refused", setting)
		}
	}
}

func TestSettingsAreKeptAsWritten(t *testing.T) {
	t.Parallel()
	set := loadText(spec("service: {UMask: 0077, LogFilterPatterns: 1.10, RestrictFileSystems: 0x10, SystemCallLog: 2024-01-01, NUMAPolicy: 18446744073709551616, PrivateTmp: true}"))
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	want := v1.UnitSection{"UMask": {"0077"}, "LogFilterPatterns": {"1.10"}, "RestrictFileSystems": {"0x10"}, "SystemCallLog": {"2024-01-01"}, "NUMAPolicy": {"18446744073709551616"}, "PrivateTmp": {"yes"}}
	if diff := cmp.Diff(want, set.Objects[0].Object.(*v1.Container).Spec.Service); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"service: {ExecStartPre: +/bin/sh}", "service: {ExecStopPost: /bin/x}", "service: {ExecReload: /bin/x}",
		"service: {LoadCredential: 'x:/etc/shadow'}", "service: {EnvironmentFile: /root/x}", "service: {BindPaths: /etc}",
		"service: {RootDirectory: /}", "service: {OpenFile: /etc/shadow}", "service: {StandardInput: 'file:/etc/x'}",
		"service: {StandardOutput: 'file:/etc/cron.d/x'}", "service: {StandardError: 'append:/x'}",
		"service: {User: nobody}", "service: {DynamicUser: yes}", "service: {Delegate: no}", "service: {Slice: -.slice}",
		"service: {NotifyAccess: all}", "service: {Type: simple}", "service: {PIDFile: /x}", "service: {KillMode: none}",
		"service: {Sockets: x.socket}", "service: {BusName: a.b}", "service: {FileDescriptorStoreMax: 1}",
		"service: {PAMName: login}", "service: {Personality: x86}", "service: {Environment: A=b}",
		"unit: {Conflicts: sshd.service}", "unit: {Conflicts: davit.service}", "unit: {OnFailure: poweroff.target}",
		"unit: {FailureAction: reboot}", "unit: {SuccessAction: exit}", "unit: {StartLimitAction: reboot-force}",
		"unit: {JobTimeoutAction: reboot}", "unit: {SourcePath: /x}", "install: {Alias: sshd.service}",
		"install: {WantedBy: sysinit.target}", "install: {RequiredBy: 'multi-user.target sysinit.target'}", "install: {Also: x.service}",
		`service: {TasksMax: "1\n[Service]\nExecStart=/bin/id"}`, `unit: {Description: "a\rb"}`, `unit: {Description: 'ends\'}`,
		`unit: {Description: "a\u009bb"}`, `unit: {Description: "a\u202eb"}`,
		`service: {"Tasks Max": 1}`, `install: {Wanted: x}`,
	} {
		if loadText(spec(setting)).Complete() {
			t.Errorf("%s is not refused", setting)
		}
	}
}

func TestSettingsThatPass(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"unit: {After: sshd.service, Before: [a.service, b.target], Wants: x.service}",
		"service: {Slice: apps.slice, TasksMax: 5, Nice: 3, LimitNOFILE: 1024}",
		"install: {WantedBy: [multi-user.target, my.target], RequiredBy: x.service, UpheldBy: y.service, Alias: web-main.service}",
	} {
		if err := loadText(spec(setting)).Diagnostics.Err(); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
