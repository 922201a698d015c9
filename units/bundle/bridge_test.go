package bundle

import (
	"encoding/json"
	"net/netip"
	"testing"
)

func TestSameNetwork(t *testing.T) {
	t.Parallel()
	own, err := BridgeNetwork{
		Name: "lan", Device: "davit1",
		Subnets: []Subnet{{netip.MustParsePrefix("10.20.0.0/24"), netip.MustParseAddr("10.20.0.1")}},
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const plugins = `{"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"macvlan","mtu":1500}]}`
	for name, test := range map[string]struct {
		a, b string
		want bool
	}{
		"the same text": {string(own), string(own), true},
		"written in another order, with a field of another davit": {
			string(own),
			`{"name":"lan","plugins":[{"subnets":[{"gateway":"10.20.0.1","subnet":"10.20.0.0/24"}],"isolated":false,"bridge":"davit1","type":"davit"}],"cniVersion":"1.1.0"}`,
			true,
		},
		"another subnet": {
			string(own),
			`{"name":"lan","plugins":[{"type":"davit","bridge":"davit1","subnets":[{"subnet":"10.21.0.0/24","gateway":"10.21.0.1"}]}]}`,
			false,
		},
		"internal now": {
			string(own),
			`{"name":"lan","plugins":[{"type":"davit","bridge":"davit1","internal":true,"subnets":[{"subnet":"10.20.0.0/24","gateway":"10.20.0.1"}]}]}`,
			false,
		},
		"plugins in another order of fields": {plugins, `{"name":"lan","cniVersion":"1.0.0","plugins":[{"mtu":1500,"type":"macvlan"}]}`, true},
		"plugins with another setting":       {plugins, `{"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"macvlan","mtu":9000}]}`, false},
		"a bridge becomes plugins":           {string(own), plugins, false},
		"a record that is cut off":           {string(own[:20]), string(own), false},
		"no record":                          {"", string(own), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
				if got := SameNetwork(json.RawMessage(pair[0]), json.RawMessage(pair[1])); got != test.want {
					t.Errorf("SameNetwork(%s, %s) = %t, want %t", pair[0], pair[1], got, test.want)
				}
			}
		})
	}
}
