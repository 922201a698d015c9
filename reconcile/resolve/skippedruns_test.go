package resolve

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func TestSkippedEvents(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		schedule, zone string
		want           []string
	}{
		{"30 2 * * *", "Europe/Berlin", []string{"Sun *-03-25,26,27,28,29,30,31 03:00:00 Europe/Berlin"}},
		{"30 2 * * *", "", []string{"Sun *-03-25,26,27,28,29,30,31 03:00:00"}},
		{"0,30 */2 * * *", "America/New_York", []string{"Sun *-03-08,09,10,11,12,13,14 03:00:00 America/New_York"}},
		{"15 2 * * *", "Australia/Lord_Howe", []string{"Sun *-10-01,02,03,04,05,06,07 02:30:00 Australia/Lord_Howe"}},
		{"0 0 * * *", "America/Havana", []string{"Sun *-03-08,09,10,11,12,13,14 01:00:00 America/Havana"}},
		{"30 2 29 * *", "Europe/Berlin", []string{"Sun *-03-29 03:00:00 Europe/Berlin"}},
		{"30 2 1,29 * 0", "Europe/Berlin", []string{"Sun *-03-25,26,27,28,29,30,31 03:00:00 Europe/Berlin"}},
		{"30 2 1,29 * 1", "Europe/Berlin", []string{"Sun *-03-29 03:00:00 Europe/Berlin"}},
		{"45 2 * * *", "Australia/Lord_Howe", nil},
		{"30 3 * * *", "Europe/Berlin", nil},
		{"30 2 * * 1-6", "Europe/Berlin", nil},
		{"30 2 1 * *", "Europe/Berlin", nil},
		{"30 2 * 10 *", "Europe/Berlin", nil},
		{"30 * * * *", "Europe/Berlin", nil},
		{"30 2 * * *", "UTC", nil},
		{"30 2 * * *", "Asia/Tokyo", nil},
		{"30 2 * * *", "Africa/Casablanca", nil},
	} {
		r := resolver{in: Input{Node: Node{Zone: berlin}}, skips: map[string]skip{}}
		got, err := r.skippedEvents(v1.CronJobSpec{Schedule: test.schedule, TimeZone: test.zone})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s in %s: %s", test.schedule, test.zone, diff)
		}
	}
}
