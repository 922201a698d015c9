package exec

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatACheckSaidLastIsTold(t *testing.T) {
	t.Parallel()
	failure := errors.New("failed")
	for range 1000 {
		err := withLastLine(func(output *os.File) error {
			_, err := output.WriteString("all sorts of things\nnot well\n")
			return errors.Join(failure, err)
		})
		if !errors.Is(err, failure) || err.Error() != "failed: not well" {
			t.Fatal(err)
		}
	}
	if err := withLastLine(func(*os.File) error { return failure }); err != failure {
		t.Errorf("%v of a check that said nothing", err)
	}
	if err := withLastLine(func(output *os.File) error { _, err := output.WriteString("well\n"); return err }); err != nil {
		t.Errorf("%v of a check that is well", err)
	}
}

func TestWhatACheckLeavesRunningHoldsNothingUp(t *testing.T) {
	t.Parallel()
	left := -1
	err := withLastLine(func(output *os.File) (err error) {
		if left, err = unix.Dup(int(output.Fd())); err != nil {
			return err
		}
		_, err = output.WriteString("not well\n")
		return errors.Join(errors.New("failed"), err)
	})
	if err == nil || err.Error() != "failed: not well" {
		t.Error(err)
	}
	if err := unix.Close(left); err != nil {
		t.Error(err)
	}
}
