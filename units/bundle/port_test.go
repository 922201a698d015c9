package bundle

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func udp(host, inside, count int32) Port {
	return Port{HostPort: host, ContainerPort: inside, Protocol: "udp", Count: count}
}

func TestPortsThatFollowEachOtherAreARange(t *testing.T) {
	t.Parallel()
	at := func(address string, port Port) Port { port.HostIP = address; return port }
	tcp := func(port Port) Port { port.Protocol = "tcp"; return port }
	for name, test := range map[string]struct{ ports, want []Port }{
		"none":                   {},
		"one":                    {[]Port{udp(9000, 90, 0)}, []Port{udp(9000, 90, 0)}},
		"three":                  {[]Port{udp(9000, 90, 0), udp(9001, 91, 0), udp(9002, 92, 0)}, []Port{udp(9000, 90, 3)}},
		"two ranges":             {[]Port{udp(9000, 90, 2), udp(9002, 92, 3)}, []Port{udp(9000, 90, 5)}},
		"to one port":            {[]Port{udp(9000, 90, 0), udp(9001, 90, 0)}, []Port{udp(9000, 90, 0), udp(9001, 90, 0)}},
		"from one port":          {[]Port{udp(9000, 90, 0), udp(9000, 91, 0)}, []Port{udp(9000, 90, 0), udp(9000, 91, 0)}},
		"with a gap":             {[]Port{udp(9000, 90, 0), udp(9002, 92, 0)}, []Port{udp(9000, 90, 0), udp(9002, 92, 0)}},
		"of two protocols":       {[]Port{udp(9000, 90, 0), tcp(udp(9001, 91, 0))}, []Port{udp(9000, 90, 0), tcp(udp(9001, 91, 0))}},
		"at two addresses":       {[]Port{udp(9000, 90, 0), at("127.0.0.1", udp(9001, 91, 0))}, []Port{udp(9000, 90, 0), at("127.0.0.1", udp(9001, 91, 0))}},
		"in another order":       {[]Port{udp(9001, 91, 0), udp(9000, 90, 0)}, []Port{udp(9001, 91, 0), udp(9000, 90, 0)}},
		"a range and one after":  {[]Port{udp(9000, 90, 2), udp(9002, 92, 0)}, []Port{udp(9000, 90, 3)}},
		"a range with its start": {[]Port{udp(9000, 90, 2), udp(9000, 90, 0)}, []Port{udp(9000, 90, 2), udp(9000, 90, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Merge(test.ports)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(Split(test.ports), Split(got)); diff != "" {
				t.Errorf("other ports are published: %s", diff)
			}
		})
	}
}

func TestOverlappingPorts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		a, b Port
		want bool
		left []Port // of a without b
	}{
		"the same":            {udp(9000, 90, 0), udp(9000, 70, 0), true, nil},
		"others":              {udp(9000, 90, 0), udp(9001, 90, 0), false, []Port{udp(9000, 0, 0)}},
		"the end of a range":  {udp(9000, 90, 100), udp(9099, 90, 0), true, []Port{udp(9000, 0, 99)}},
		"after a range":       {udp(9000, 90, 100), udp(9100, 90, 0), false, []Port{udp(9000, 0, 100)}},
		"inside of a range":   {udp(9000, 90, 100), udp(9001, 90, 98), true, []Port{udp(9000, 0, 0), udp(9099, 0, 0)}},
		"a range around":      {udp(9001, 90, 98), udp(9000, 90, 100), true, nil},
		"all of another kind": {udp(1, 1, 65_535), Port{HostPort: 1, Protocol: "tcp", Count: 65_535}, false, []Port{udp(1, 0, 65_535)}},
	} {
		if a, b := test.a.Overlaps(test.b), test.b.Overlaps(test.a); a != test.want || b != test.want {
			t.Errorf("%s: got %v and %v, want %v", name, a, b, test.want)
		}
		if diff := cmp.Diff(test.left, test.a.Without(test.b)); diff != "" {
			t.Errorf("%s: what is left: %s", name, diff)
		}
	}
}

func TestPortsHaveNames(t *testing.T) {
	t.Parallel()
	for want, port := range map[string]Port{"8080/udp": udp(8080, 80, 0), "8081/udp": udp(8081, 80, 1), "9000-9099/udp": udp(9000, 90, 100), "1-65535/udp": udp(1, 1, 65_535)} {
		if got := port.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestARangeIsReadAsEarlierVersionsWroteIt reads a bundle with an entry for each port.
func TestARangeIsReadAsEarlierVersionsWroteIt(t *testing.T) {
	t.Parallel()
	launch := `{"id": "web", "network": {"mode": "cni", "ports": [` +
		`{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}, {"hostPort": 9000, "containerPort": 90, "protocol": "udp"}, ` +
		`{"hostPort": 9001, "containerPort": 91, "protocol": "udp"}]}}`
	text, err := json.Marshal(map[string]any{"ociVersion": "1.2.0", "annotations": map[string]string{annotationLaunch: launch}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, udp(9000, 90, 2)}
	if diff := cmp.Diff(want, b.Network.Ports); diff != "" {
		t.Error(diff)
	}
}
