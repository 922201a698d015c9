package check_test

import (
	"strings"
	"testing"
)

func TestSecurityContextsAreChecked(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 256)
	wantRefused(t, []refused{
		{spec("securityContext: {runAsGroup: 4294967295}"), `spec.securityContext.runAsGroup: 4294967295 is not`},
		{spec("securityContext: {runAsUser: 2147483648}"), `spec.securityContext.runAsUser: 2147483648 is not a user or group id: want 0 to 2147483647`},
		{pod("hostUsers: false", "securityContext: {fsGroup: 65536}", "containers: [{name: a, image: x.y/z}]"), `spec.securityContext.fsGroup: 65536 is not`},
		{spec("securityContext: {capabilities: {add: [NET_ADMNI]}}"), `spec.securityContext.capabilities.add[0]: "NET_ADMNI": want a capability`},
		{spec("securityContext: {seccompProfile: {type: Localhost}}"), `spec.securityContext.seccompProfile.localhostProfile: goes with type Localhost`},
		{spec("securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../x}}"), `spec.securityContext.seccompProfile.localhostProfile: "../x": want the path of a file`},
		{spec("securityContext: {appArmorProfile: {type: Localhost, localhostProfile: unconfined}}"), `spec.securityContext.appArmorProfile.localhostProfile: "unconfined" is not a profile: want type Unconfined`},
		{spec("securityContext: {seLinuxOptions: {type: 'a:b'}}"), `spec.securityContext.seLinuxOptions.type: "a:b": want at most 255 letters, digits, '_', '.' and '-'`},
		{spec("securityContext: {seLinuxOptions: {fileType: 'a b'}}"), `spec.securityContext.seLinuxOptions.fileType: "a b": want at most 255 letters`},
		{spec("securityContext: {seLinuxOptions: {disabled: true, level: s0}}"), `spec.securityContext.seLinuxOptions.disabled: without a label`},
		{spec("securityContext: {seLinuxOptions: {role: " + long + "}}"), `spec.securityContext.seLinuxOptions.role: "` + long + `": want at most 255 letters`},
		{spec("securityContext: {seLinuxOptions: {level: " + long + "}}"), `spec.securityContext.seLinuxOptions.level: "` + long + `": want a level`},
		{spec("securityContext: {appArmorProfile: {type: Localhost}}"), `spec.securityContext.appArmorProfile.localhostProfile: goes with type Localhost`},
		{spec("securityContext: {runAsUser: -1}"), `spec.securityContext.runAsUser: -1 is not a user or group id`},
		{spec("securityContext: {runAsNonRoot: true, runAsUser: 0}"), `spec.securityContext.runAsUser: 0 is root`},
		{spec("securityContext: {procMount: None}"), `spec.securityContext.procMount: unknown value "None"`},
		{spec("securityContext: {maskedPaths: [x]}"), `spec.securityContext.maskedPaths[0]: "x": want an absolute path`},
		{spec("securityContext: {supplementalGroups: [4294967295]}"), `spec.securityContext.supplementalGroups[0]: 4294967295 is not`},
		{spec("securityContext: {sysctls: [{name: kernel.core_pattern, value: x}]}"), `spec.securityContext.sysctls[0].name: "kernel.core_pattern" is not a setting that a container has`},
		{spec("hostNetwork: true", "securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}"), `spec.securityContext.sysctls[0].name: with hostNetwork`},
		{pod("securityContext: {fsGroup: -1}", "containers: [{name: a, image: x.y/z}]"), `spec.securityContext.fsGroup: -1 is not`},
	})
}
