package check_test

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/check"
)

// systemdParser is a systemd that knows NewSetting and not MemoryKSM, and ignores the value bad.
type systemdParser struct{ asked []check.Assignment }

func (p *systemdParser) Parse(assignments []check.Assignment) (map[check.Assignment]check.Fault, bool) {
	p.asked = append(p.asked, assignments...)
	faults := map[check.Assignment]check.Fault{}
	for _, assignment := range assignments {
		if strings.Contains(assignment.Value, "bad") {
			faults[assignment] = check.Fault{Message: "Log field lacks '='"}
		}
		if assignment.Name == "MemoryKSM" || assignment.Name == "Nothing" {
			faults[assignment] = check.Fault{Unknown: true, Message: "Unknown key"}
		}
	}
	return faults, true
}

func TestTheNodesSystemdIsAsked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		spec("service: {NewSetting: 5, UMask: '0077'}"):                                     "",
		spec("service: {LogExtraFields: bad}"):                                              `app.yaml:6:29: spec.service.LogExtraFields: "bad": systemd would ignore it: Log field lacks '='`,
		spec("service: {Nothing: 5, NewSetting: 5}"):                                        "app.yaml:6:22: spec.service.Nothing: is no setting of [Service] in systemd 252 to 257",
		spec("service: {MemoryKSM: yes}"):                                                   "app.yaml:6:24: warning: spec.service.MemoryKSM: the node's systemd does not have this setting, and ignores it",
		spec("install: {WantedByy: multi-user.target}"):                                     `app.yaml:6:24: spec.install.WantedByy: is no setting of [Install] in systemd 252 to 257 (did you mean "WantedBy"?)`,
		pod("containers: [{name: a, image: x.y/z, service: {LogExtraFields: [A=b, bad]}}]"): `app.yaml:5:66: spec.containers[0].service.LogExtraFields: "bad": systemd would ignore it: Log field lacks '='`,
	} {
		set := manifests.Load([]manifests.File{{Path: "app.yaml", Text: []byte(text)}}, manifests.Options{Parser: &systemdParser{}})
		var got []string
		for _, diagnostic := range set.All() {
			got = append(got, diagnostic.String())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\ngot  %q\nwant %q", text, got, want)
		}
		if isWarning := strings.Contains(text, "KSM"); len(set.Objects) > 0 != (want == "" || isWarning) {
			t.Errorf("%s\nhas %d objects", text, len(set.Objects))
		}
	}
}

// TestSystemdReadsNothingThatIsWrong keeps a line's end in a value, and what davit refuses, from a unit that systemd is given.
func TestSystemdReadsNothingThatIsWrong(t *testing.T) {
	t.Parallel()
	parser := &systemdParser{}
	text := spec(`service: {UMask: "0077\nExecStart=/bin/id", TasksMax: 5}`) + "---\n" + strings.Replace(spec("service: {ExecStart: /bin/id}"), "web", "two", 1) +
		"---\n" + strings.Replace(spec("service: {TasksMax: 6}", "unit: {After: a.service}"), "web", "three", 1)
	manifests.Load([]manifests.File{{Path: "app.yaml", Text: []byte(text)}}, manifests.Options{Parser: parser})
	slices.SortFunc(parser.asked, func(a, b check.Assignment) int { return strings.Compare(a.Section, b.Section) })
	if diff := gocmp.Diff([]check.Assignment{{Section: "Service", Name: "TasksMax", Value: "6"}, {Section: "Unit", Name: "After", Value: "a.service"}}, parser.asked); diff != "" {
		t.Error(diff)
	}
}
