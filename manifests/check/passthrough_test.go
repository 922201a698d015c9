package check_test

import (
	"strings"
	"testing"
)

func TestPassThroughIsChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec(`service: {Nice: "1\uFFFE"}`), `spec.service.Nice: "1\ufffe" has U+FFFE, which is no character`},
		{spec(`service: {CPUAffinity: '` + strings.Repeat("1,", 1<<19) + `1'}`), `spec.service.CPUAffinity: has 1048577 bytes: systemd takes at most 1048320 in a line`},
		{spec("service: {MemoryMaxx: 1G}"), `spec.service.MemoryMaxx: is no setting of [Service] in systemd 252 to 257`},
		{spec("unit: {Wants: [a.service], MemoryMax: 1G}"), `spec.unit.MemoryMax: is no setting of [Unit] in systemd 252 to 257`},
		{spec("service: {TimeoutStartSec: 5parsecs}"), `spec.service.TimeoutStartSec: "5parsecs": want a time such as`},
		{spec("service: {LimitNOFILE: 5, CPUWeight: [5, heavy]}"), `spec.service.CPUWeight: "heavy": want a number from 1 to 10000, or idle`},
		{spec("service: {Slice: a b.slice}"), `spec.service.Slice: "a b.slice": want a slice below the root slice`},
	})
}
