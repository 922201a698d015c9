package settings

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSettingsAreKnownByName(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]bool{
		"service.MemoryMax": true, "service.MemoryMaxx": false, "unit.MemoryMax": false, "unit.After": true, "install.WantedBy": true,
		"service.ManagedOOMMemoryPressureDurationSec": true, "service.memorymax": false, "socket.ListenStream": false,
	} {
		section, name, _ := strings.Cut(setting, ".")
		if got := Known(section, name); got != want {
			t.Errorf("%s: known is %v", setting, got)
		}
	}
	since := map[string]int{}
	for _, setting := range All() {
		since[setting.Since]++
		if _, known := kinds[setting.kind]; !known && setting.kind != "text" {
			t.Errorf("%s: unknown kind %s", setting.Name, setting.kind)
		}
	}
	for _, version := range []string{"252", "253", "254", "255", "256", "257"} {
		if since[version] == 0 {
			t.Errorf("systemd %s has nothing new: %v", version, since)
		}
	}
}

// examples has right and wrong values of each kind.
var examples = map[string]struct{ right, wrong []string }{
	"bool":          {[]string{"yes", "No", "1", "off"}, []string{"maybe", "2"}},
	"time":          {[]string{"5", "5s", "1min 30s", "1h30m", "1.5 h", "infinity", "2 weeks", "500ms"}, []string{"5parsecs", "s", "5 s s", "-1", "1..5h", "five"}},
	"count":         {[]string{"5", "0x10"}, []string{"-1", "five", "1_000"}},
	"size":          {[]string{"512M", "1.5G", "20%", "infinity", "1024", "2 G"}, []string{"512MiB", "lots", "-1", "M"}},
	"weight":        {[]string{"1", "10000"}, []string{"0", "10001", "heavy", "idle"}},
	"cpuweight":     {[]string{"1", "10000", "idle"}, []string{"0", "10001", "heavy"}},
	"shares":        {[]string{"1024"}, []string{"1", "heavy"}},
	"blockweight":   {[]string{"500"}, []string{"1001", "heavy"}},
	"iolimit":       {[]string{"/var 10M", "/dev/null infinity"}, []string{"10M", "/var", "/var lots"}},
	"percent":       {[]string{"20%", "250%", "12.5%"}, []string{"20", "%"}},
	"tasks":         {[]string{"5", "10%", "infinity"}, []string{"0", "many"}},
	"cpuset":        {[]string{"0-3", "0,2", "0 2-3", "8191"}, []string{"-1", "a", "3-1"}},
	"mode":          {[]string{"0077", "22"}, []string{"0088", "rw"}},
	"signal":        {[]string{"SIGTERM", "TERM", "15", "SIGRTMIN+3"}, []string{"SIGNONE", "TERMINATE", "SIGRTMIN+31", "65", "sigterm"}},
	"status":        {[]string{"1 2 SIGKILL", "TEMPFAIL", "255"}, []string{"256", "-1"}},
	"units":         {[]string{"a.service b.target", "a@b.service"}, []string{"sshd", "a.servce"}},
	"prefixes":      {[]string{"any", "10.0.0.0/8 localhost", "2001:db8::1"}, []string{"10.0.0/8", "everyone"}},
	"nice":          {[]string{"-20", "19"}, []string{"20", "low"}},
	"oomadjust":     {[]string{"-1000", "5"}, []string{"1001"}},
	"ioclass":       {[]string{"best-effort", "realtime", "idle"}, []string{"fast"}},
	"iopriority":    {[]string{"0", "7"}, []string{"8"}},
	"cpupolicy":     {[]string{"fifo", "batch"}, []string{"fast"}},
	"cpupriority":   {[]string{"50"}, []string{"100"}},
	"level":         {[]string{"info", "3"}, []string{"loud", "8"}},
	"facility":      {[]string{"daemon", "local7"}, []string{"davit"}},
	"restart":       {[]string{"always", "on-abort"}, []string{"sometimes"}},
	"restartmode":   {[]string{"normal", "direct"}, []string{"fast"}},
	"oompolicy":     {[]string{"continue"}, []string{"ignore"}},
	"oommode":       {[]string{"kill", "auto"}, []string{"yes"}},
	"oompreference": {[]string{"omit"}, []string{"always"}},
	"collect":       {[]string{"inactive-or-failed"}, []string{"failed"}},
	"exittype":      {[]string{"cgroup"}, []string{"all"}},
	"keyring":       {[]string{"private"}, []string{"yes"}},
	"protectproc":   {[]string{"invisible"}, []string{"yes"}},
	"procsubset":    {[]string{"pid"}, []string{"yes"}},
	"devicepolicy":  {[]string{"closed"}, []string{"open"}},
	"pressurewatch": {[]string{"skip", "on"}, []string{"sometimes"}},
	"path":          {[]string{"/srv"}, []string{"srv"}},
	"condition":     {[]string{"/srv", "|/srv", "|!/srv", "!/srv"}, []string{"srv", "!srv"}},
	"paths":         {[]string{"/srv -/var", "+/srv"}, []string{"srv"}},
	"limit":         {[]string{"5", "infinity", "5:10", "5:infinity"}, []string{"no", ":5", "10:5", "infinity:5"}},
	"bytelimit":     {[]string{"5", "infinity", "5M:1G", "512K"}, []string{"no", "5 parsecs", "1G:512M"}},
	"urls":          {[]string{"man:a https://example.com", "file:///a"}, []string{"a", "man:", "http://a b"}},
}

func TestValuesAreChecked(t *testing.T) {
	t.Parallel()
	for name := range kinds {
		if len(examples[name].right) == 0 || len(examples[name].wrong) == 0 {
			t.Errorf("%s has no examples", name)
		}
	}
	for _, setting := range All() {
		for _, value := range append(examples[setting.kind].right, "") {
			if err := Check(setting.Section, setting.Name, value); err != nil {
				t.Errorf("%s=%s: %v", setting.Name, value, err)
			}
		}
		for _, value := range examples[setting.kind].wrong {
			if err := Check(setting.Section, setting.Name, value); err == nil || !strings.Contains(err.Error(), "want ") {
				t.Errorf("%s=%s is taken: %v", setting.Name, value, err)
			}
		}
	}
	if err := Check("service", "SystemCallFilter", "anything"); err != nil {
		t.Error(err)
	}
}

// TestSystemdAgrees holds the examples of all settings against this machine's systemd, as far as it has them.
func TestSystemdAgrees(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	type line struct {
		setting Setting
		value   string
		wrong   bool
	}
	text, lines := "[Service]\nExecStart=/bin/true\n", map[int]line{}
	for _, setting := range All() {
		title, ok := map[string]string{"unit": "Unit", "service": "Service"}[setting.Section]
		// systemd-analyze leaves dependencies out.
		if !ok || setting.Since != "252" || setting.kind == "units" {
			continue
		}
		add := func(value string, wrong bool) {
			text += fmt.Sprintf("[%s]\n%s=%s\n", title, setting.Name, value)
			lines[strings.Count(text, "\n")] = line{setting, value, wrong}
		}
		for _, value := range examples[setting.kind].right {
			add(value, false)
		}
		for _, value := range examples[setting.kind].wrong {
			add(value, true)
		}
	}
	ignored := map[int]string{}
	for fatal := verify(t, analyze, text, ignored); fatal > 0; fatal = verify(t, analyze, text, ignored) {
		all := strings.SplitAfter(text, "\n")
		all[fatal-1] = "#\n"
		text = strings.Join(all, "")
	}
	if len(ignored) < 50 {
		t.Fatalf("systemd ignores %d lines", len(ignored))
	}
	for number, line := range lines {
		if message, wrong := ignored[number]; wrong != line.wrong {
			t.Errorf("%s %s=%s: wrong by the table: %v; systemd: %q", line.setting.kind, line.setting.Name, line.value, line.wrong, message)
		}
	}
}

// verify adds the lines of a unit that systemd ignores, and returns the one at which it has stopped reading; 0 for none.
func verify(t *testing.T, analyze, text string, ignored map[int]string) (fatal int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "davit-test.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", file)
	command.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=warning", "SYSTEMD_LOG_COLOR=0")
	said, _ := command.CombinedOutput() // the unit itself is none to be started
	last := 0
	for text := range strings.Lines(string(said)) {
		rest, ok := strings.CutPrefix(text, file+":")
		number, message, numbered := strings.Cut(rest, ": ")
		if !ok || !numbered {
			continue
		}
		var err error
		if last, err = strconv.Atoi(number); err != nil {
			t.Fatal(text)
		}
		if strings.Contains(message, "ignoring") || strings.HasPrefix(message, "Failed to parse") {
			ignored[last] = strings.TrimSpace(message)
		}
	}
	if strings.Contains(string(said), "bad unit file setting") {
		ignored[last] = "fatal"
		return last
	}
	return 0
}

func TestTimesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "500ms": time.Second / 2, "1min 30s": 90 * time.Second, "1h2m": 62 * time.Minute,
		"2 days": 48 * time.Hour, "1M": 2629800 * time.Second, "infinity": infinite, "100000y": infinite, "10us": 10 * time.Microsecond,
	} {
		if got, ok := Time(text); !ok || got != want {
			t.Errorf("%q is %s, %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "soon", "5parsecs", "-1"} {
		if got, ok := Time(text); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
	for _, unit := range timeUnits {
		if unitSeconds[unit] == 0 {
			t.Errorf("%s has no length", unit)
		}
	}
}
