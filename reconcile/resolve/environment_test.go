package resolve_test

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestVariablesAreText takes variables from keys whose values are no valid variables.
func TestVariablesAreText(t *testing.T) {
	t.Parallel()
	secret := reconciletest.Header + "Secret\nmetadata: {name: raw}\ndata: {BYTES: /v8=, ZERO: YQBi, TEXT: dGV4dA==}\n---\n"
	config := reconciletest.Header + "Config\nmetadata: {name: raw}\ndata: {OTHER: text}\nbinaryData: {BYTES: /v8=}\n---\n"
	for from, want := range map[string]string{
		"envFrom: [{secretRef: {name: raw}}]":                                                   `the value of key "BYTES" of Secret/raw is not text in UTF-8: mount it as a file`,
		"envFrom: [{configMapRef: {name: raw}}]":                                                "",
		"env: [{name: KEY, valueFrom: {configMapKeyRef: {name: raw, key: BYTES}}}]":             `Config/raw has no key "BYTES"`,
		"env: [{name: KEY, valueFrom: {secretKeyRef: {name: raw, key: BYTES}}}]":                `the value of key "BYTES" of Secret/raw is not text in UTF-8: mount it as a file`,
		"env: [{name: KEY, valueFrom: {secretKeyRef: {name: raw, key: ZERO}}}]":                 `the value of key "ZERO" of Secret/raw has a NUL character, which no variable can have: mount it as a file`,
		"env: [{name: KEY, valueFrom: {secretKeyRef: {name: raw, key: TEXT}}}]":                 "",
		"env: [{name: KEY, valueFrom: {secretKeyRef: {name: raw, key: none, optional: true}}}]": "",
	} {
		problems := ""
		for _, problem := range reconciletest.Resolve(t, secret+config+reconciletest.Container("web", from), reconciletest.Command).Problems {
			problems += problem.Err.Error()
		}
		if want == "" && problems != "" || !strings.Contains(problems, want) {
			t.Errorf("%s: problems are %q, want %q", from, problems, want)
		}
	}
}
