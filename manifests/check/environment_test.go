package check_test

import (
	"strings"
	"testing"
)

func TestEnvironmentsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("env: [{name: A, value: " + strings.Repeat("a", 128<<10-2) + "}]"), `spec.env[0].value: has 131072 bytes with its name: the kernel takes at most`},
		{spec("env: [{name: A=B}]"), `spec.env[0].name: "A=B" is not the name of a variable`},
		{spec("env: [{name: A, valueFrom: {}}]"), `spec.env[0].valueFrom: want one of configMapKeyRef, secretKeyRef`},
		{spec("env: [{name: A, value: x, valueFrom: {hostEnv: {name: B}}}]"), `spec.env[0].valueFrom: there is a value already`},
		{spec("env: [{name: A, valueFrom: {hostEnv: {name: B}, fieldRef: {fieldPath: metadata.name}}}]"), `spec.env[0].valueFrom.hostEnv: there is fieldRef already`},
		{spec("env: [{name: A, valueFrom: {hostEnv: {name: 'A='}}}]"), `spec.env[0].valueFrom.hostEnv.name: "A=" is not`},
		{spec("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.nam}}}]"), `spec.env[0].valueFrom.fieldRef.fieldPath: davit has no field "metadata.nam"`},
		{spec("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}]"), `spec.env[0].valueFrom.resourceFieldRef.resource: unknown value "limits.gpu"`},
		{spec("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: x}}}]"), `spec.env[0].valueFrom.resourceFieldRef.divisor: "x": want a positive quantity`},
		{spec("env: [{name: A, valueFrom: {configMapKeyRef: {name: nowhere, key: a}}}]"), `spec.env[0].valueFrom.configMapKeyRef.name: there is no Config "nowhere"`},
		{spec("env: [{name: A, valueFrom: {secretKeyRef: {name: nowhere, key: a}}}]"), `spec.env[0].valueFrom.secretKeyRef.name: there is no Secret "nowhere"`},
		{spec("envFrom: [{prefix: A}]"), `spec.envFrom[0]: want one of configMapRef, secretRef`},
		{spec("envFrom: [{prefix: '=', configMapRef: {name: a, optional: true}}]"), `spec.envFrom[0].prefix: "=" cannot begin`},
		{spec("envFrom: [{secretRef: {name: nowhere}}]"), `spec.envFrom[0].secretRef.name: there is no Secret "nowhere"`},
		{spec("envFiles: [{path: a.env}]"), `spec.envFiles[0].path: "a.env": want an absolute path`},
	})
}
