package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// asking makes a container that asks for variables; lines of its spec begin at line 5.
func asking(lines ...string) string {
	return "apiVersion: davit/v1\nkind: Container\nmetadata: {name: web, annotations: {davit.io/substitute: \"true\"}}\nspec:\n  " +
		strings.Join(append(lines, "image: example.com/web:1"), "\n  ") + "\n"
}

func TestVariables(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]v1.ContainerFields{
		"args: ['${NAME}']":                                         {Args: []string{"kiosk"}},
		"args: ['${PORT}']":                                         {Args: []string{"8080"}},
		"args: ['a ${NAME}-${NAME} b']":                             {Args: []string{"a kiosk-kiosk b"}},
		"args: ['$${NAME} $NAME ${davit.hostname} $$']":             {Args: []string{"${NAME} $NAME edge-1 $$"}},
		"args: ['${davit.os}${davit.os-version} on ${davit.arch}']": {Args: []string{"debian13 on arm64"}},
		"command:\n  - ${TEXT}":                                     {Command: []string{"8080"}},
		"ports:\n  - containerPort: ${PORT}":                        {Ports: []v1.ContainerPort{{ContainerPort: 8080}}},
		"tty: ${ON}":                                                {TTY: true},
		"env: [{name: A, value: '${ON}'}]":                          {Env: []v1.EnvVar{{Name: "A", Value: "true"}}},
	} {
		set := Load(files("a.yaml", asking(strings.Split(text, "\n")...)), Options{Node: berlin()})
		want.Image = "example.com/web:1"
		if diff := cmp.Diff(want, containerText(t, set).ContainerFields); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestVariablesAreNoStructure(t *testing.T) {
	t.Parallel()
	node := berlin().With(nil, map[string]fleet.Variable{"EVIL": {Text: "a\nprivileged: true\n- ${NAME} &x *x"}})
	got := containerText(t, Load(files("a.yaml", asking("command:", "  - ${EVIL}")), Options{Node: &node}))
	if diff := cmp.Diff([]string{node.Variables["EVIL"].Text}, got.Command); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsReplacedUnasked(t *testing.T) {
	t.Parallel()
	text := strings.Replace(asking("args: ['${HOME} ${NAME}']"), `"true"`, `"false"`, 1)
	for _, text := range []string{text, strings.Replace(text, `, annotations: {davit.io/substitute: "false"}`, "", 1)} {
		got := containerText(t, Load(files("a.yaml", text), Options{Node: berlin()})).Args
		if diff := cmp.Diff([]string{"${HOME} ${NAME}"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestVariablesThatAreWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"args: ['${NAMES}']":   `a.yaml:5:10: spec.args[0]: unknown variable "NAMES" (did you mean "NAME"?)`,
		"args: ['${HOME}']":    `a.yaml:5:10: spec.args[0]: unknown variable "HOME" (set it under variables in the node's config.yaml; for the text itself write $${)`,
		"args: ['${HOME:-x}']": `a.yaml:5:10: spec.args[0]: "${HOME:-x}" is not a variable (want ${NAME}; for the text itself write $${)`,
		"args: ['${NAME']":     `a.yaml:5:10: spec.args[0]: "${NAME" is not a variable (want ${NAME}; for the text itself write $${)`,
		"hostname: ${PORT}":    `a.yaml:5:13: spec.hostname: want a string, got the number 8080 (quote it: "8080")`,
		"ports:\n  - {containerPort: 80, hostPort: '${PORT}'}": `a.yaml:6:37: spec.ports[0].hostPort: want a number, got "8080" (leave the quotes out)`,
	} {
		set := Load(files("a.yaml", asking(strings.Split(text, "\n")...)), Options{Node: berlin()})
		if len(set.Diagnostics) == 0 || set.Diagnostics[0].String() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, set.Diagnostics, want)
		}
	}
}

func TestWithoutANodeVariablesAreOpen(t *testing.T) {
	t.Parallel()
	set := Load(files("a.yaml", asking("hostname: ${A}", "restartPolicy: ${B}", "ports:", "  - {containerPort: 80}", "  - hostPort: ${C}", "    containerPort: ${D}")), Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Error(err)
	}
	if Load(files("a.yaml", asking("hostname: ${A", "imagee: ${B}")), Options{}).Complete() {
		t.Error("an error beside them is not seen")
	}
}

func TestAPatchMayAsk(t *testing.T) {
	t.Parallel()
	patch := "apiVersion: davit/v1\nkind: Container\nmetadata: {name: web, annotations: {davit.io/substitute: \"true\"}}\nspec: {hostname: 'a-${NAME}', user: '${X}'}\n"
	set := Load(files("base/web.yaml", base, "nodes/edge-1/web.yaml", patch), Options{Node: berlin()})
	if len(set.Diagnostics) != 1 || set.Diagnostics[0].Position.String() != "nodes/edge-1/web.yaml:4:37" {
		t.Errorf("got %v", set.Diagnostics)
	}
}
