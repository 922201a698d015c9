package signals

import "testing"

func TestSignalsByNameAndNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		number Signal
		name   string
	}{
		"SIGTERM": {15, "SIGTERM"}, "TERM": {15, "SIGTERM"}, "sigterm": {15, "SIGTERM"}, "15": {15, "SIGTERM"},
		"SIGIOT": {6, "SIGABRT"}, "SIGPOLL": {29, "SIGIO"}, "SIGSYS": {31, "SIGSYS"},
		"SIGRTMIN": {34, "SIGRTMIN+0"}, "SIGRTMIN+0": {34, "SIGRTMIN+0"}, "SIGRTMIN+3": {37, "SIGRTMIN+3"}, "rtmin+30": {64, "SIGRTMIN+30"},
		"SIGRTMAX": {64, "SIGRTMIN+30"}, "SIGRTMAX-1": {63, "SIGRTMIN+29"}, "RTMAX-30": {34, "SIGRTMIN+0"}, "37": {37, "SIGRTMIN+3"},
	} {
		got, err := Parse(text)
		if err != nil || got != want.number || got.String() != want.name {
			t.Errorf("%s: got %d %s, %v, want %d %s", text, int(got), got, err, want.number, want.name)
		}
	}
	for _, text := range []string{
		"", "SIG", "0", "-1", "+9", "32", "33", "65", "300", "SIG9", "SIGNOTHING", "SIGRTMIN+31", "SIGRTMIN+-1", "SIGRTMIN-1", "SIGRTMAX-31",
		"SIGRTMIN+", "SIGRTMAX+1", "SIGTERM\n", " SIGTERM",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
}
