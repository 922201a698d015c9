package check_test

import (
	"strings"
	"testing"
)

func TestProbesAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("lifecycle: {preStop: {sleep: {seconds: 9007199254740993}}}"), `spec.lifecycle.preStop.sleep.seconds: 9007199254740993: want at most`},
		{spec("livenessProbe: {exec: {command: [a, " + strings.Repeat("a", 128<<10) + "]}}"), `spec.livenessProbe.exec.command[1]: has 131072 bytes: the kernel takes at most 131071 in one argument`},
		{spec(`lifecycle: {preStop: {exec: {command: ["a\0b"]}}}`), `spec.lifecycle.preStop.exec.command[0]: has a NUL character`},
		{spec("livenessProbe: {}"), `spec.livenessProbe: want one of exec, httpGet, tcpSocket, grpc`},
		{spec("livenessProbe: {httpGet: {port: web}}"), `spec.livenessProbe.httpGet.port: the container has no port "web"`},
		{spec("livenessProbe: {httpGet: {port: 0}}"), `spec.livenessProbe.httpGet.port: want a port from 1 to 65535`},
		{spec("livenessProbe: {httpGet: {port: 80, scheme: FTP}}"), `spec.livenessProbe.httpGet.scheme: unknown value "FTP"`},
		{spec("livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}"), `spec.livenessProbe.successThreshold: want 1`},
		{spec("readinessProbe: {exec: {command: []}}"), `spec.readinessProbe.exec.command: missing`},
		{spec("readinessProbe: {grpc: {port: 0}}"), `spec.readinessProbe.grpc.port: want a port from 1 to 65535`},
		{spec("startupProbe: {tcpSocket: {port: 80}, periodSeconds: -1}"), `spec.startupProbe.periodSeconds: -1: want 0 or more`},
		{spec("livenessProbe: {tcpSocket: {port: 80}, onFailure: restart}"), `spec.livenessProbe.onFailure: unknown value "restart"`},
		{spec("readinessProbe: {tcpSocket: {port: 80}, onFailure: Stop}"), `spec.readinessProbe.onFailure: only a liveness probe`},
		{spec("readinessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 5}"), `spec.readinessProbe.terminationGracePeriodSeconds: a readiness probe stops nothing`},
		{spec("livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 0}"), `spec.livenessProbe.terminationGracePeriodSeconds: 0: want 1 or more`},
		{spec(`livenessProbe: {httpGet: {port: 80, path: "/%zz"}}`), `spec.livenessProbe.httpGet.path: "/%zz": want a path`},
		{spec(`livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: "a b", value: x}]}}`), `spec.livenessProbe.httpGet.httpHeaders[0].name: "a b" is not the name of a header`},
		{spec(`livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: a, value: "x\r\nb: c"}]}}`), `spec.livenessProbe.httpGet.httpHeaders[0].value: has a character`},
		{spec("lifecycle: {preStop: {}}"), `spec.lifecycle.preStop: want one of exec, httpGet, tcpSocket, sleep`},
		{spec("lifecycle: {postStart: {sleep: {seconds: -1}}}"), `spec.lifecycle.postStart.sleep.seconds: -1: want 0 or more`},
	})
}
