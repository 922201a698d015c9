package check

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/policy"
	"github.com/davit-project/davit/manifests/settings"
)

var update = flag.Bool("update", false, "rewrite the list of settings in testdata")

// TestEverySettingIsADecision keeps a list of all settings of systemd 252 to 257 with what becomes of them when a manifest
// passes them through: whoever changes a list, or adds a version of systemd, reads the difference.
func TestEverySettingIsADecision(t *testing.T) {
	t.Parallel()
	const golden = "testdata/settings.golden"
	var text strings.Builder
	for _, setting := range settings.All() {
		fmt.Fprintf(&text, "%s.%s: %s\n", setting.Section, setting.Name, treatment(setting))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("-update rewrites %s:\n%s", golden, diff)
	}
}

// treatment is what becomes of a setting.
func treatment(setting settings.Setting) string {
	for _, rule := range rules {
		if rule.section == setting.Section && rule.values == nil && matchesAny(rule.settings, setting.Name) {
			return "always refused"
		}
	}
	return "by baseline " + policy.Treatment(setting.Section, setting.Name)
}

// TestRulesNameSettings finds a rule that nothing falls under.
func TestRulesNameSettings(t *testing.T) {
	t.Parallel()
	for _, rule := range rules {
		for _, pattern := range rule.settings {
			known := false
			for _, name := range settings.Names(rule.section) {
				known = known || matchesAny([]string{pattern}, name)
			}
			if !known {
				t.Errorf("%s.%s is no setting of systemd 252 to 257", rule.section, pattern)
			}
		}
	}
}
