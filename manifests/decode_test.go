package manifests

import (
	"testing"
)

// wantErrors checks all that is wrong with a text, in order.
func wantErrors(t *testing.T, text string, want ...string) {
	t.Helper()
	diagnostics := loadText(text).Diagnostics
	for i, diagnostic := range diagnostics {
		if i >= len(want) || diagnostic.String() != want[i] {
			t.Errorf("got  %s", diagnostic)
		}
	}
	for i, line := range want {
		if i >= len(diagnostics) || diagnostics[i].String() != line {
			t.Errorf("want %s", line)
		}
	}
}

func TestTagsOfTheTypesAreChecked(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: davit/v1\nkind: "
	for name, test := range map[string]struct{ text, want string }{
		"near a value":      {spec("notify: started"), `app.yaml:6:11: spec.notify: unknown value "started" (did you mean "Started"?)`},
		"near none":         {spec("dnsPolicy: Always"), `app.yaml:6:14: spec.dnsPolicy: unknown value "Always" (one of Default, None, ClusterFirst, ClusterFirstWithHostNet)`},
		"deep":              {spec("ports: [{containerPort: 1, protocol: quic}]"), `app.yaml:6:40: spec.ports[0].protocol: unknown value "quic" (one of TCP, UDP, SCTP)`},
		"empty":             {spec(`restartPolicy: ""`), `app.yaml:6:18: spec.restartPolicy: unknown value "" (one of Always, OnFailure, Never)`},
		"empty is a value":  {head + "Volume\nmetadata: {name: a}\nspec: {emptyDir: {medium: disk}}\n", `app.yaml:4:27: spec.emptyDir.medium: unknown value "disk" (one of "", Memory, HugePages, HugePages-2Mi, HugePages-1Gi)`},
		"missing":           {spec("env: [{value: a}]"), `app.yaml:6:9: spec.env[0].name: missing`},
		"missing above all": {head + "Volume\n", `app.yaml:1:1: metadata: missing`},
		"missing, misspelt": {spec("env: [{nam: a}]"), `app.yaml:6:10: spec.env[0].nam: unknown field (did you mean "name"?)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantErrors(t, test.text, test.want)
		})
	}
}
