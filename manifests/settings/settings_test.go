package settings

import (
	"strings"
	"testing"
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

// values has right and wrong values of settings of each kind. What is right here is what systemd's own parser takes.
var values = map[string]struct{ right, wrong []string }{
	"service.CPUAccounting":        {[]string{"yes", "No", "1", "off"}, []string{"maybe", "2"}},
	"service.TimeoutStartSec":      {[]string{"5", "5s", "1min 30s", "1h30m", "1.5 h", "infinity", "2 weeks", "500ms", "0"}, []string{"5parsecs", "s", "5 s s", "-1", "1..5h", "five"}},
	"unit.StartLimitBurst":         {[]string{"5", "0x10"}, []string{"-1", "five", "1_000"}},
	"service.MemoryMax":            {[]string{"512M", "1.5G", "20%", "infinity", "1024", "2 G"}, []string{"512MiB", "lots", "-1", "M"}},
	"service.CPUWeight":            {[]string{"1", "10000", "idle"}, []string{"0", "10001", "heavy"}},
	"service.IOWeight":             {[]string{"100"}, []string{"0", "idle"}},
	"service.CPUQuota":             {[]string{"20%", "250%", "12.5%"}, []string{"20", "%"}},
	"service.TasksMax":             {[]string{"5", "10%", "infinity"}, []string{"0", "many"}},
	"service.IOReadBandwidthMax":   {[]string{"/var 10M", "/dev/sda infinity"}, []string{"10M", "/var", "var 10M"}},
	"service.AllowedCPUs":          {[]string{"0-3", "0,2", "0 2-3"}, []string{"-1", "a"}},
	"service.UMask":                {[]string{"0077", "22"}, []string{"0088", "rw"}},
	"service.KillSignal":           {[]string{"SIGTERM", "TERM", "15", "SIGRTMIN+3"}, []string{"SIGNONE", "TERMINATE"}},
	"service.SuccessExitStatus":    {[]string{"1 2 SIGKILL", "TEMPFAIL", "255"}, []string{"256", "-1"}},
	"unit.After":                   {[]string{"a.service b.target", "a@b.service"}, []string{"sshd", "a.servce"}},
	"service.IPAddressDeny":        {[]string{"any", "10.0.0.0/8 localhost", "2001:db8::1"}, []string{"10.0.0/8", "everyone"}},
	"service.Nice":                 {[]string{"-20", "19"}, []string{"20", "low"}},
	"service.OOMScoreAdjust":       {[]string{"-1000", "5"}, []string{"1001"}},
	"service.IOSchedulingClass":    {[]string{"best-effort", "realtime"}, []string{"fast"}},
	"service.IOSchedulingPriority": {[]string{"0", "7"}, []string{"8"}},
	"service.SyslogLevel":          {[]string{"info", "3"}, []string{"loud", "8"}},
	"service.SyslogFacility":       {[]string{"daemon", "local7"}, []string{"davit"}},
	"service.Restart":              {[]string{"always"}, []string{"sometimes"}},
	"service.OOMPolicy":            {[]string{"continue"}, []string{"ignore"}},
	"service.ManagedOOMSwap":       {[]string{"kill"}, []string{"yes"}},
	"service.ManagedOOMPreference": {[]string{"omit"}, []string{"always"}},
	"unit.CollectMode":             {[]string{"inactive-or-failed"}, []string{"failed"}},
	"service.ProtectProc":          {[]string{"invisible"}, []string{"yes"}},
	"service.DevicePolicy":         {[]string{"closed"}, []string{"open"}},
}

func TestValuesAreChecked(t *testing.T) {
	t.Parallel()
	for setting, examples := range values {
		section, name, _ := strings.Cut(setting, ".")
		if !Known(section, name) {
			t.Errorf("there is no %s", setting)
		}
		for _, value := range append(examples.right, "") {
			if err := Check(section, name, value); err != nil {
				t.Errorf("%s=%s: %v", setting, value, err)
			}
		}
		for _, value := range examples.wrong {
			if err := Check(section, name, value); err == nil || !strings.Contains(err.Error(), "want ") {
				t.Errorf("%s=%s is taken: %v", setting, value, err)
			}
		}
	}
	if err := Check("service", "SystemCallFilter", "anything"); err != nil {
		t.Error(err)
	}
}
