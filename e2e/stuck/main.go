// stuck mounts a file system that never answers, as a disk that has gone or an NFS server that is down:
// who asks it for anything cannot even be killed. It answers all with an error when it ends.
//
//	stuck DIRECTORY
package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Of the protocol in linux/fuse.h: its version, the size of the answer to the first request, which is the
// one to begin with, and of the largest request.
const (
	major, minor = 7, 31
	headerSize   = 16
	initSize     = 64
	requestSize  = 1 << 17
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "stuck:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	// No os.File: its poller takes the device for broken if it looks before the device is mounted.
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(device)
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device)
	if err := unix.Mount("stuck", dir, "fuse", 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	request := make([]byte, requestSize)
	if _, err := unix.Read(device, request); err != nil {
		return err
	}
	answer := make([]byte, headerSize+initSize)
	binary.NativeEndian.PutUint32(answer, uint32(len(answer)))
	copy(answer[8:16], request[8:16]) // which request it is of
	binary.NativeEndian.PutUint32(answer[headerSize:], major)
	binary.NativeEndian.PutUint32(answer[headerSize+4:], minor)
	if _, err := unix.Write(device, answer); err != nil {
		return err
	}
	for {
		if _, err := unix.Read(device, request); err != nil {
			return err
		}
	}
}
