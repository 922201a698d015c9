package units

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func plain() Unit {
	return Unit{
		Head: Head{
			Name:        "web.service",
			Description: "Container/web (example.com/web:1)",
			SourcePath:  "/etc/davit/manifests/web.yaml",
			Stamp:       Stamp{Object: "Container/web"},
			WantedBy:    []string{MultiUser},
		},
		RequiresMountsFor: []string{"/var/lib/davit", "/srv/with space"},
		Launcher:          "/bin/true",
		Bundle:            "/var/lib/davit/bundles/web-0123456789abcdef",
		LogFields:         map[string]string{"CONTAINER_NAME": "web", "IMAGE_NAME": "example.com/web:1"},
		Restart:           "always",
		MaxRestarts:       -1,
		KillSignal:        "SIGTERM",
		StopSeconds:       10,
	}
}

// examples are units by the name of their golden file.
func examples() map[string]Unit {
	oneshot := plain()
	oneshot.Role, oneshot.Restart = RoleOneshot, "no"
	limited := plain()
	limited.MaxRestarts, limited.Restart = 3, "on-failure"
	limited.Resources = Resources{
		MemoryMax: 1 << 28, MemoryLow: 1 << 26, MemorySwapMax: new(uint64), CPUQuota: 1505, CPUWeight: 50, TasksMax: 100,
		AllowedCPUs: "0-1,3", AllowedMemoryNodes: "0", IOWeight: 200, IODevices: []IODevice{
			{Path: "/dev/disk/by-label/50% of \"it\"", ReadBandwidth: 1 << 20, WriteIOPS: 100}, {Path: "/var/lib", ReadBandwidth: 1 << 21},
		},
	}
	limited.OOMScoreAdjust, limited.Slice = -5, "davit-app.slice"
	extra := plain()
	extra.Extra = Extra{
		Unit:    map[string][]string{"After": {"a.service", "b.service"}, "Description": {"of %H"}},
		Service: map[string][]string{"Restart": {"on-abnormal"}, "TasksMax": {"100"}},
		Install: map[string][]string{"WantedBy": {"app.target"}, "Alias": {"web-main.service"}},
	}
	held := plain()
	held.HoldsStart, held.HoldSeconds, held.PreStop = true, 150, true
	waits := plain()
	waits.HoldsStart = true
	return map[string]Unit{"plain": plain(), "oneshot": oneshot, "limited": limited, "extra": extra, "held": held, "waits": waits}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, example := range examples() {
		got, err := Render(example)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".service")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
		}
	}
}

func TestASliceHoldsItsLimits(t *testing.T) {
	t.Parallel()
	slice := Slice{Head: Head{
		Name: "davit-my_app.1.slice", Description: "Pod/my-app", SourcePath: "/etc/davit/manifests/app.yaml", Stamp: Stamp{Object: "Pod/my-app"},
	}, Resources: Resources{MemoryMax: 1 << 28}}
	text, err := RenderSlice(slice)
	if err != nil || !strings.Contains(text, "\n[Slice]\nMemoryMax=268435456\n") {
		t.Errorf("%v in:\n%s", err, text)
	}
	for _, name := range []string{"davit.slice", "system.slice", "davit-a-b.slice", "davit-.slice", "-.slice", "davit-a@1.slice"} {
		slice.Name = name
		if _, err := RenderSlice(slice); err == nil {
			t.Errorf("davit writes %s", name)
		}
	}
}

func TestSystemdAcceptsEveryExample(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	for name, example := range examples() {
		text, err := Render(example)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), example.Name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
		if err != nil || strings.Contains(string(output), example.Name) {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}

// vectors are values that have broken writers of unit files before.
var vectors = []string{
	"a\n[Service]\nExecStart=/bin/id", "a\r[Service]\rUser=root\r#", "a\x00ExecStart=/x", "ends\\", "%n", "%%", "50% off", "100%",
	"$HOME", "${HOME}", "$$", ";", `\;`, `"`, "'", `"unterminated`, " leading", "trailing ", "TAB\there", `\x41`, `\n`, "#c", ";c",
	"[Unit]", "=", "a=b=c", "é ü 🐳", "\u202e", "\u0085", "\u2028", "a\ufffeb", "\ufdd0", "\U0010ffff", "\xff\xfe", "", "../../x", "/", "@", "a.service", "\x7f",
	strings.Repeat("x", 1<<20+1),
}

// places are the settings of a unit into which a string from outside is written.
var places = map[string]func(u *Unit, text string){
	"Description":       func(u *Unit, text string) { u.Description = text },
	"SourcePath":        func(u *Unit, text string) { u.SourcePath = text },
	"RequiresMountsFor": func(u *Unit, text string) { u.RequiresMountsFor = []string{"/var", text} },
	"LogExtraFields":    func(u *Unit, text string) { u.LogFields = map[string]string{"A": text, "B": "b"} },
	"Name":              func(u *Unit, text string) { u.Name = text },
	"Bundle":            func(u *Unit, text string) { u.Bundle = text },
	"Launcher":          func(u *Unit, text string) { u.Launcher = text },
	"KillSignal":        func(u *Unit, text string) { u.KillSignal = text },
	"Object":            func(u *Unit, text string) { u.Stamp.Object = text },
	"an extra value":    func(u *Unit, text string) { u.Extra.Service = map[string][]string{"TasksMax": {text}} },
	"an extra setting":  func(u *Unit, text string) { u.Extra.Service = map[string][]string{text: {"1"}} },
}

func TestNoVectorMakesAnotherSetting(t *testing.T) {
	t.Parallel()
	for place, put := range places {
		for _, vector := range vectors {
			u := plain()
			put(&u, vector)
			text, err := Render(u)
			if err != nil {
				continue
			}
			if got, want := settingNames(t, text), settingNames(t, render(t, plain())); place != "an extra setting" && place != "an extra value" && !cmp.Equal(got, want) {
				t.Errorf("%q as %s makes other settings:\n%s", vector, place, cmp.Diff(want, got))
			}
		}
	}
}

func TestControlCharactersAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	for place, put := range places {
		for _, vector := range []string{"a\nb", "a\rb", "a\x00b", "a\x7fb", "a\u009bb", "a\u0085b", "a\u202eb", "a\u2066b", "a\ufffeb", "\uffff", "\ufdef", "\U0001fffe", "\xff", `ends\`} {
			u := plain()
			put(&u, vector)
			if _, err := Render(u); err == nil {
				t.Errorf("%q is taken as %s", vector, place)
			}
		}
	}
}

func render(t *testing.T, u Unit) string {
	t.Helper()
	text, err := Render(u)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// settingNames are the sections and settings of a unit, read by a parser that is not ours.
func settingNames(t *testing.T, text string) []string {
	t.Helper()
	options, err := unit.DeserializeOptions(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	var names []string
	for _, option := range options {
		names = append(names, option.Section+"."+option.Name)
	}
	return names
}

func TestPercentSurvives(t *testing.T) {
	t.Parallel()
	u := plain()
	u.Description, u.LogFields = "50% off", map[string]string{"A": `q"\b%n`}
	text := render(t, u)
	for _, want := range []string{"Description=50%% off\n", `LogExtraFields="A=q\"\\b%%n"` + "\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestParseOwnReadsWhatRenderWrote(t *testing.T) {
	t.Parallel()
	text := render(t, plain())
	own, err := ParseOwn(text)
	want := Own{Text: text, Object: "Container/web", SourcePath: "/etc/davit/manifests/web.yaml", Bundle: "/var/lib/davit/bundles/web-0123456789abcdef", Links: "multi-user.target.wants"}
	if err != nil || own != want {
		t.Errorf("got %+v, %v", own, err)
	}
	if _, err := ParseOwn("[Service]\nExecStart=/bin/true\n"); err == nil {
		t.Error("a unit of others counts as davit's")
	}
}

func TestNeedsRestart(t *testing.T) {
	t.Parallel()
	base := render(t, plain())
	for name, test := range map[string]struct {
		change func(*Unit)
		want   bool
	}{
		"nothing":            {func(*Unit) {}, false},
		"the manifest moved": {func(u *Unit) { u.SourcePath = "/etc/davit/manifests/b/web.yaml" }, false},
		"other limits": {func(u *Unit) {
			u.Resources = Resources{
				MemorySwapMax: new(uint64), TasksMax: 1, AllowedCPUs: "0", AllowedMemoryNodes: "0", IOWeight: 1,
				IODevices: []IODevice{{"/dev/vda", 1, 1, 1, 1}},
			}
		}, false},
		"its slice":    {func(u *Unit) { u.Slice = "davit-app.slice" }, true},
		"memory":       {func(u *Unit) { u.Resources.MemoryMax = 1 }, false},
		"grace period": {func(u *Unit) { u.StopSeconds = 30 }, false},
		"a dependency": {func(u *Unit) { u.Extra.Unit = map[string][]string{"After": {"x.service"}} }, false},
		"the bundle":   {func(u *Unit) { u.Bundle = "/var/lib/davit/bundles/web-1" }, true},
		"a limit":      {func(u *Unit) { u.Extra.Service = map[string][]string{"LimitNOFILE": {"5"}} }, true},
	} {
		u := plain()
		test.change(&u)
		if got := NeedsRestart(base, render(t, u)); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
	if got := ChangedSettings(base, strings.Replace(base, "KillSignal=SIGTERM\n", "", 1)); !slices.Equal(got, []string{"KillSignal"}) {
		t.Errorf("a line that is gone gives %v", got)
	}
}

func FuzzRender(f *testing.F) {
	for _, vector := range vectors[:20] {
		f.Add(vector, vector)
	}
	want := []string{}
	f.Fuzz(func(t *testing.T, description, field string) {
		u := plain()
		if len(want) == 0 {
			want = settingNames(t, render(t, u))
		}
		u.Description, u.SourcePath = description, field
		u.RequiresMountsFor, u.LogFields = []string{"/var", field}, map[string]string{"A": description, "B": field}
		text, err := Render(u)
		if err != nil {
			return
		}
		if got := settingNames(t, text); !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
	})
}

func TestOnlyUnboundedRestartsWithGrowingWaitsBackOff(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=300\n": true,
		"[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=1\n[X-Davit]\nRestartMaxDelaySec=300\n":      true,
		"[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=1\n":                                         false,
		"[Unit]\nStartLimitIntervalSec=infinity\nStartLimitBurst=4\n[Service]\nRestartSteps=8\n":             false,
	} {
		if got := BacksOff(text); got != want {
			t.Errorf("%s: got %t", text, got)
		}
	}
}
