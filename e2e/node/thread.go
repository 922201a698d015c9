package node

import "runtime"

// thread is one operating system thread that runs functions one after the other. Their
// changes of the thread itself (its mount namespace) last from one to the next and
// end with the thread, or with the program. Processes they start get the thread's end as
// their parent's death.
type thread struct {
	calls chan func()
	ended chan struct{}
}

func startThread() *thread {
	t := &thread{calls: make(chan func()), ended: make(chan struct{})}
	go func() {
		// Never unlocked: the runtime then ends the thread with the goroutine instead
		// of using it for something else.
		runtime.LockOSThread()
		defer close(t.ended)
		for call := range t.calls {
			call()
		}
	}()
	return t
}

// do runs f on the thread and returns its error.
func (t *thread) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case t.calls <- func() { result <- f() }:
		return <-result
	case <-t.ended:
		return errClosed
	}
}

// end ends the thread. It may be called again.
func (t *thread) end() {
	select {
	case <-t.ended:
	default:
		t.calls <- runtime.Goexit
		<-t.ended
	}
}
