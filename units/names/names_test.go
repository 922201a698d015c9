package names

import (
	"strings"
	"testing"
)

func TestNamesOfUnits(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Service("web@2"):          "web@2.service",
		ID("web@2.service"):       "web@2",
		ID("web.timer"):           "web.timer",
		Pod("app", ""):            "app-pod",
		Pod("app", "@surge1"):     "app-pod@surge1",
		Slice("my-app", ""):       "davit-my_app.slice",
		Slice("my-app", "@2"):     "davit-my_app.2.slice",
		Socket("web"):             "web.socket",
		Target("web"):             "web.target",
		Timer("backup"):           "backup.timer",
		Service(Pod("app", "@3")): "app-pod@3.service",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if unit := strings.Contains(got, "."); unit && !Valid(got) {
			t.Errorf("%s: davit gives such a name", got)
		}
	}
	if id, isService := CutService("web.slice"); isService || id != "web.slice" {
		t.Errorf("a slice has the id %s", id)
	}
	for _, name := range []string{"", ".service", "Web.service", "web", "web.mount", "davit.slice", "web@x.service", "a b.service", strings.Repeat("a", 250) + ".service"} {
		if Valid(name) {
			t.Errorf("%q: davit gives no such name", name)
		}
	}
}
