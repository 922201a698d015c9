package confine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

// fakeAppArmor is a node whose kernel has these profiles; loaded are the files that it was asked to load.
func fakeAppArmor(t *testing.T, enabled, profiles string) (a appArmor, loaded *[]string) {
	t.Helper()
	root := testnode.Root(t, map[string]string{"enabled": enabled, "profiles": profiles, bundle.AppArmorDefault: ""})
	loaded = &[]string{}
	return appArmor{
		enabled: filepath.Join(root, "enabled"), profiles: filepath.Join(root, "profiles"), definitions: root,
		load: func(file string) error {
			*loaded = append(*loaded, filepath.Base(file))
			return nil
		},
	}, loaded
}

func TestAppArmorProfiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		enabled, profiles, wanted string
		want, loads, err          string
	}{
		"the default is loaded at boot":           {"Y\n", "davit-default (enforce)\n", "", "davit-default", "", ""},
		"the default is loaded once":              {"Y\n", "web (enforce)\n", "", "davit-default", "davit-default", ""},
		"a longer name is another profile's":      {"Y\n", "davit-default-2 (enforce)\n", "", "davit-default", "davit-default", ""},
		"nothing is wanted of a node without it":  {"N\n", "", "", "", "", ""},
		"unconfined needs nothing":                {"Y\n", "", bundle.AppArmorUnconfined, "", "", ""},
		"a profile of one's own":                  {"Y\n", "a b (x) (complain)\nweb (enforce)\n", "a b (x)", "a b (x)", "", ""},
		"a profile of one's own is not there":     {"Y\n", "web2 (enforce)\n", "web", "", "", "profile web is not loaded: apparmor_parser --replace loads the file that has it"},
		"a profile of one's own needs AppArmor":   {"N\n", "", "web", "", "", "profile web: the node has no AppArmor"},
		"a label is no name of a loaded profile":  {"Y\n", "web (enforce)\n", ":root:unconfined", "", "", "profile :root:unconfined is not loaded: apparmor_parser --replace loads the file that has it"},
		"a stack of labels is no loaded profile":  {"Y\n", "web (enforce)\n", "unconfined//&unconfined", "", "", "profile unconfined//&unconfined is not loaded: apparmor_parser --replace loads the file that has it"},
		"the default's name may be written out":   {"Y\n", "davit-default (enforce)\n", "davit-default", "davit-default", "", ""},
		"the default is a profile when spelt out": {"N\n", "", "davit-default", "", "", "profile davit-default: the node has no AppArmor"},
	} {
		a, loaded := fakeAppArmor(t, test.enabled, test.profiles)
		got, err := a.profile(test.wanted)
		if message := errorText(err); got != test.want || message != test.err || strings.Join(*loaded, " ") != test.loads {
			t.Errorf("%s: got %q, loads %v, error %q", name, got, *loaded, message)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestANodeWithoutSecurityfsHasNoAppArmor(t *testing.T) {
	t.Parallel()
	a, _ := fakeAppArmor(t, "Y\n", "")
	if err := os.Remove(a.profiles); err != nil {
		t.Fatal(err)
	}
	if got, err := a.profile(""); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestADefaultProfileThatCannotBeLoadedFailsTheStart(t *testing.T) {
	t.Parallel()
	a, _ := fakeAppArmor(t, "Y\n", "")
	a.load = func(string) error { return errors.New("no parser") }
	if _, err := a.profile(""); err == nil || !strings.Contains(err.Error(), "no parser") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(filepath.Join(a.definitions, bundle.AppArmorDefault)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.profile(""); err == nil || !strings.Contains(err.Error(), "make install") {
		t.Errorf("got %v", err)
	}
}

func TestProfilesAreReadWithTheirMode(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{
		"davit-default (enforce)\n": "davit-default", "a b (x) (complain)\n": "a b (x)", "unconfined\n": "", "": "",
	} {
		if got := profileOf(label); got != want {
			t.Errorf("%q: got %q, want %q", label, got, want)
		}
	}
}
