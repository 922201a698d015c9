package confine

import (
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Offsets in struct bpf_sockopt (linux/bpf.h) and in struct linger (linux/socket.h).
const (
	optvalOffset, optvalEndOffset = 8, 16
	levelOffset, optnameOffset    = 24, 28
	lingerOnOff, lingerSeconds    = 0, 4
	lingerSize                    = 8
)

// neverLingers is a program for setsockopt(2) that turns off SO_LINGER with a time. A time of zero, with which close(2) ends
// a connection at once, stays.
var neverLingers = asm.Instructions{
	asm.LoadMem(asm.R2, asm.R1, levelOffset, asm.Word),
	asm.JNE.Imm(asm.R2, unix.SOL_SOCKET, "go on"),
	asm.LoadMem(asm.R2, asm.R1, optnameOffset, asm.Word),
	asm.JNE.Imm(asm.R2, unix.SO_LINGER, "go on"),
	asm.LoadMem(asm.R2, asm.R1, optvalOffset, asm.DWord),
	asm.LoadMem(asm.R3, asm.R1, optvalEndOffset, asm.DWord),
	asm.Mov.Reg(asm.R4, asm.R2),
	asm.Add.Imm(asm.R4, lingerSize),
	asm.JGT.Reg(asm.R4, asm.R3, "go on"), // the kernel refuses it
	asm.LoadMem(asm.R3, asm.R2, lingerSeconds, asm.Word),
	asm.JEq.Imm(asm.R3, 0, "go on"),
	asm.StoreImm(asm.R2, lingerOnOff, 0, asm.Word),
	asm.Mov.Imm(asm.R0, 1).WithSymbol("go on"),
	asm.Return(),
}

// ForbidLingering keeps the sockets of the container whose control group is at dir from lingering. Its standard output is a socket of
// journald, which closes the file descriptors that a container sends there: the container decides how long the close of a lingering
// socket takes, and journald would read no log of the node meanwhile (socket(7), cmsg(3)). A kernel without such programs has none for
// devices either.
func ForbidLingering(dir string) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSockopt, AttachType: ebpf.AttachCGroupSetsockopt, Instructions: neverLingers, License: "Apache-2.0",
	})
	if err != nil {
		return fmt.Errorf("keep sockets from lingering: %w", err)
	}
	defer program.Close()
	group, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keep sockets from lingering: %w", err)
	}
	defer group.Close()
	err = bpflink.RawAttachProgram(bpflink.RawAttachProgramOptions{
		Target: int(group.Fd()), Program: program, Attach: ebpf.AttachCGroupSetsockopt, Flags: unix.BPF_F_ALLOW_MULTI,
	})
	if err != nil {
		return fmt.Errorf("keep sockets from lingering: %w", err)
	}
	return nil
}
