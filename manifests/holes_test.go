package manifests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/davit-project/davit/manifests/v1"
)

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

func TestNetworksThatClash(t *testing.T) {
	t.Parallel()
	network := func(name, spec string) string {
		return "apiVersion: davit/v1\nkind: Network\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
	}
	for spec, want := range map[string]string{
		"subnets: [{subnet: 10.0.0.0/16}]": "app.yaml:4:27: spec.subnets[0].subnet: 10.0.0.0/16 overlaps 10.0.1.0/24 of Network/b, in app.yaml:9:43",
		"interface: br7":                   "app.yaml:4:19: spec.interface: br7 is the bridge of Network/b, in app.yaml:9:19",
	} {
		set := loadText(network("a", spec) + network("b", "interface: br7, subnets: [{subnet: 10.0.1.0/24}]"))
		if len(set.Diagnostics) != 2 || len(set.Objects) != 0 {
			t.Fatalf("%s: %v", spec, set.Diagnostics)
		}
		if got := set.Diagnostics[0].String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestRangesOfPortsAreOneReportEach(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100 {
		text.WriteString(strings.Replace(spec("ports: [{containerPort: 1, endPort: 65535, hostPort: 1}]"), "name: web", fmt.Sprintf("name: w%d", i), 1) + "---\n")
	}
	begin := time.Now()
	if n := len(loadText(text.String()).Diagnostics); n != 100 {
		t.Errorf("%d reports", n)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestHintOfTwoAsNearIsTheSame(t *testing.T) {
	t.Parallel()
	const volume = "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: %s}\n---\n"
	text := fmt.Sprintf(volume+volume, "aa1", "aa2") + spec("volumeMounts: [{name: aa3, mountPath: /d}]")
	for range 50 {
		if hint := loadText(text).Diagnostics[0].Hint; hint != `did you mean "aa1"?` {
			t.Fatal(hint)
		}
	}
}
