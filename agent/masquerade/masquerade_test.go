package masquerade

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables/expr"
)

func TestRuleIsForWhatLeavesTheSubnet(t *testing.T) {
	t.Parallel()
	for subnet, want := range map[string][]expr.Any{
		"10.89.4.0/22": {
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{2}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 255, 252, 0}, Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{10, 89, 4, 0}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 255, 252, 0}, Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{10, 89, 4, 0}},
			&expr.Masq{},
		},
	} {
		got, err := newRule(subnet)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", subnet, diff)
		}
	}
	if _, err := newRule("10.0.0.0"); err == nil {
		t.Error("a subnet without a length is taken")
	}
}

func TestARuleIsFoundAgainByItsNetwork(t *testing.T) {
	t.Parallel()
	if got := ruleNetwork(ruleMark("app", "10.0.0.0/24")); got != "app" {
		t.Errorf("got %q", got)
	}
	if got := ruleNetwork(nil); got != "" {
		t.Errorf("a rule of others is of network %q", got)
	}
}
