package drift

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// message is one of netlink's.
func message(kind uint16, data []byte) []byte {
	text := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(data)))
	text = binary.NativeEndian.AppendUint16(text, kind)
	text = append(text, make([]byte, unix.SizeofNlMsghdr-len(text))...)
	return append(text, data...)
}

// link is a struct ifinfomsg with these flags.
func link(flags uint32) []byte {
	data := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(data[8:], flags)
	return data
}

// netconf returns a message of the kernel about forwarding, for all devices or one.
func netconf(index, forwarding int32) []byte {
	data := []byte{unix.AF_INET, 0, 0, 0}
	for kind, value := range map[uint16]int32{netconfIndex: index, netconfForwarding: forwarding} {
		data = binary.NativeEndian.AppendUint16(data, 8)
		data = binary.NativeEndian.AppendUint16(data, kind)
		data = binary.NativeEndian.AppendUint32(data, uint32(value))
	}
	return data
}

func noBridge(string) {}

func TestOnlyWhatGoesIsHeardOfTheNetwork(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind uint16
		data []byte
		want bool
	}{
		"a device goes":                   {unix.RTM_DELLINK, link(unix.IFF_UP), true},
		"a device comes":                  {unix.RTM_NEWLINK, link(unix.IFF_UP), false},
		"a device is down":                {unix.RTM_NEWLINK, link(0), true},
		"an address goes":                 {unix.RTM_DELADDR, nil, true},
		"an address comes":                {unix.RTM_NEWADDR, nil, false},
		"a route goes":                    {unix.RTM_DELROUTE, nil, true},
		"a route comes":                   {unix.RTM_NEWROUTE, nil, false},
		"forwarding is switched off":      {unix.RTM_NEWNETCONF, netconf(-1, 0), true},
		"forwarding is switched on":       {unix.RTM_NEWNETCONF, netconf(-1, 1), false},
		"a new device does not forward":   {unix.RTM_NEWNETCONF, netconf(7, 0), false},
		"half of what is said is missing": {unix.RTM_NEWNETCONF, []byte{1}, true},
	} {
		if got := anyMessage(message(test.kind, test.data), isRouteLoss(noBridge)); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestOnlyWhatGoesIsHeardOfNftables(t *testing.T) {
	t.Parallel()
	for message, want := range map[uint16]bool{
		unix.NFT_MSG_DELTABLE: true, unix.NFT_MSG_DELCHAIN: true, unix.NFT_MSG_DELRULE: true, unix.NFT_MSG_NEWRULE: false, unix.NFT_MSG_NEWGEN: false,
	} {
		if got := isRuleLoss(unix.NlMsghdr{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | message}, nil); got != want {
			t.Errorf("message %d: got %v", message, got)
		}
	}
	if isRuleLoss(unix.NlMsghdr{Type: unix.NFNL_SUBSYS_CTNETLINK<<8 | unix.NFT_MSG_DELTABLE}, nil) {
		t.Error("what goes of another part of netfilter counts")
	}
}

func TestEachMessageOfADatagramCounts(t *testing.T) {
	t.Parallel()
	comes, goes := message(unix.RTM_NEWADDR, []byte{1, 2, 3}), message(unix.RTM_DELADDR, nil)
	padded := append(append(comes, 0), goes...) // they begin at multiples of four
	if !anyMessage(padded, isRouteLoss(noBridge)) {
		t.Error("the second message is not heard")
	}
	if anyMessage(comes, isRouteLoss(noBridge)) {
		t.Error("what comes counts")
	}
	if !anyMessage(goes[:len(goes)-8], func(unix.NlMsghdr, []byte) bool { return false }) && len(goes) > unix.SizeofNlMsghdr {
		t.Error("half a message is none")
	}
}

func TestFirstProcessOfLibcontainersState(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]int{
		`{"id":"web","init_process_pid":4711,"init_process_start":12,"config":{}}`: 4711,
		`{"id":"init_process_pid","config":`:                                       0,
		``:                                                                         0,
		`{"id":"web"`:                                                              0,
		`{"init_process_pid":"x"}`:                                                 0,
	} {
		if got := firstProcess(json.NewDecoder(strings.NewReader(state))); got != want {
			t.Errorf("%s: got %d, want %d", state, got, want)
		}
	}
}
