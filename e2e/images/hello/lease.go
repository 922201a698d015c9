package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Of linux/fcntl.h: F_LINUX_SPECIFIC_BASE + 0.
const setLease = 1024

// lease holds a lease on a file (fcntl(2)) until this process ends. It does not give it up when another process
// wants to open the file.
func lease(path string, kind uintptr) error {
	signal.Ignore(syscall.SIGIO)
	flags := os.O_RDONLY
	if kind == syscall.F_WRLCK {
		flags = os.O_RDWR
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return err
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, file.Fd(), setLease, kind); errno != 0 {
		return fmt.Errorf("lease %s: %w", path, errno)
	}
	fmt.Println("leased", path)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	<-ended
	return file.Close()
}
