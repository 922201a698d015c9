package check_test

import (
	"strings"
	"testing"
)

func TestProcessesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{strings.Replace(spec("tty: true"), "image: example.com/a:1", "rootfs: /srv/tree", 1), `spec.command: missing: a directory says no command to run`},
		{spec(`command: ["a\0b"]`), `spec.command[0]: has a NUL character`},
		{spec("args: [a, " + strings.Repeat("a", 128<<10) + "]"), `spec.args[1]: has 131072 bytes: the kernel takes at most 131071 in one argument`},
		{spec("workingDir: /proc/self"), `spec.workingDir: "/proc/self": want a directory outside`},
		{spec("user: 'a b'"), `spec.user: "a b": want user or user:group`},
		{spec("logging: {driver: syslog}"), `spec.logging.driver: unknown value "syslog"`},
		{spec("logging: {tag: 'a b'}"), `spec.logging.tag: "a b": want at most 128`},
		{spec("logging: {rateLimit: {intervalSeconds: -1}}"), `spec.logging.rateLimit.intervalSeconds: -1: want 0 or more`},
		{spec("tty: true", "logging: {driver: pipe}"), `spec.logging.driver: a terminal's output goes to the journal`},
		{spec("user: '4294967295'"), `spec.user: 4294967295 is not a user or group id: want 0 to 2147483647`},
		{spec("user: app:99999999999999999999"), `spec.user: 9223372036854775807 is not`},
		{spec("hostUsers: false", "user: '65536'"), `spec.user: 65536 is not a user or group id: want 0 to 65535`},
		{spec("workingDir: /" + strings.Repeat("a", 256)), `spec.workingDir: "` + strings.Repeat("a", 60) + `…" has 256 bytes`},
		{spec(`reload: {exec: {command: ["a\0b"]}}`), `spec.reload.exec.command[0]: has a NUL character`},
		{spec("ulimits: [{name: files, soft: 1}]"), `spec.ulimits[0].name: there is no limit "files"`},
		{spec("ulimits: [{name: nofile, soft: 2, hard: 1}]"), `spec.ulimits[0]: want soft at most hard`},
		{spec("reload: {signal: HUP}"), `spec.reload.signal: "HUP": want the name of a signal`},
		{spec("reload: {signal: SIGHUP, exec: {command: [a]}}"), `spec.reload: want one of signal and exec`},
	})
}
