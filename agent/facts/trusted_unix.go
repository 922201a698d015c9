//go:build unix

package facts

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// trusted refuses a file that users other than root and that of this process could have written.
func trusted(file *os.File) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return err
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("not a regular file")
	case stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to user %d: chown root", stat.Uid)
	case stat.Mode&(unix.S_IWGRP|unix.S_IWOTH) != 0:
		return errors.New("others may write it: chmod go-w")
	}
	return nil
}
