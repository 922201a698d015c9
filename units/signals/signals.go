// Package signals reads and writes the names of Linux's signals, on every system that davit is compiled for. It imports
// nothing of davit.
package signals

import (
	"fmt"
	"strconv"
	"strings"
)

// Signal is the number of a signal of Linux.
type Signal int

// The first and the last real-time signal, as glibc counts them (signal(7)).
const (
	realtimeMin = 34
	realtimeMax = 64
)

// names are the signals of signal(7) by number, the same on all architectures but alpha, mips, parisc and sparc.
var names = [...]string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1",
	11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD", 18: "CONT", 19: "STOP", 20: "TSTP",
	21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF", 28: "WINCH", 29: "IO", 30: "PWR",
	31: "SYS",
}

// numbers are the signals by name, with the second names of signal(7).
var numbers = func() map[string]Signal {
	numbers := map[string]Signal{"IOT": 6, "CLD": 17, "POLL": 29, "RTMIN": realtimeMin, "RTMAX": realtimeMax}
	for number, name := range names {
		if name != "" {
			numbers[name] = Signal(number)
		}
	}
	return numbers
}()

// Parse reads a signal as images and container runtimes write it: its name in upper or lower case, with or without SIG,
// relative to SIGRTMIN or SIGRTMAX, or its number.
func Parse(text string) (Signal, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	signal, known := numbers[name]
	if known {
		return signal, nil
	}
	if offset, ok := strings.CutPrefix(name, "RTMIN+"); ok {
		signal = realtime(offset, func(n Signal) Signal { return realtimeMin + n })
	} else if offset, ok := strings.CutPrefix(name, "RTMAX-"); ok {
		signal = realtime(offset, func(n Signal) Signal { return realtimeMax - n })
	} else if n, err := strconv.ParseUint(text, 10, 8); err == nil {
		signal = Signal(n)
	}
	if !signal.isValid() {
		return 0, fmt.Errorf("%q: no such signal", text)
	}
	return signal, nil
}

// realtime is the real-time signal with an offset; 0 if there is none.
func realtime(offset string, at func(n Signal) Signal) Signal {
	if n, err := strconv.ParseUint(offset, 10, 8); err == nil && n <= realtimeMax-realtimeMin {
		return at(Signal(n))
	}
	return 0
}

// isValid reports whether a program can be sent the signal: glibc keeps 32 and 33 for itself (nptl(7)).
func (s Signal) isValid() bool {
	return s > 0 && s <= realtimeMax && (int(s) < len(names) || s >= realtimeMin)
}

// String is the name by which systemd knows the signal, SIGTERM or SIGRTMIN+3 (systemd.kill(5)).
func (s Signal) String() string {
	switch {
	case !s.isValid():
		return strconv.Itoa(int(s))
	case s >= realtimeMin:
		return fmt.Sprintf("SIGRTMIN+%d", int(s)-realtimeMin)
	}
	return "SIG" + names[s]
}

// ExitStatus is the status with which many programs end that the signal asks to end: the one that a shell reports for a
// command that a signal killed. It is 0 for real-time signals: systemd, which they ask to shut down, ends with 0.
func (s Signal) ExitStatus() int {
	if s >= realtimeMin {
		return 0
	}
	return 128 + int(s)
}
