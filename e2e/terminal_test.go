package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/e2e/node"
)

// runTerminal runs a command in the node on a terminal, and holds a dialogue with it.
func runTerminal(ctx context.Context, s scene, args []string) error {
	if len(args) < 2 {
		return usage("terminal DIALOGUE COMMAND [ARG...]")
	}
	text, err := os.ReadFile(s.ts.MkAbs(args[0]))
	if err != nil {
		return usage(err.Error())
	}
	master, slave, err := openTerminal()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := newTranscript(master, s.lab.Wait(answerWithin))
	ended := make(chan error, 1)
	go func() {
		err := s.lab.Run(ctx, node.Command{
			Args: args[1:], Env: []string{"TERM=xterm"}, Stdin: slave, Stdout: slave, Stderr: slave, Terminal: true,
		})
		ended <- errors.Join(err, slave.Close())
	}()
	if err := speak(ctx, string(text), master, seen); err != nil {
		return err // which has the output
	}
	err = <-ended
	<-seen.done
	_, writeErr := io.WriteString(s.out, seen.text)
	return errors.Join(err, writeErr)
}

// openTerminal opens both sides of a terminal of 80 columns and 24 rows.
func openTerminal() (console.Console, *os.File, error) {
	master, path, err := console.NewPty()
	if err != nil {
		return nil, nil, err
	}
	if err := master.Resize(console.WinSize{Width: 80, Height: 24}); err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, slave, nil
}

// answerWithin is how long a dialogue waits for the expected output, on an idle machine.
const answerWithin = 10 * time.Second

// speak goes through a dialogue, line by line:
//
//	expect REGEXP        wait until the output since the last expect matches
//	type TEXT            type the text, in which \r is the return key and \x03 is ctrl-c
//	resize COLUMNSxROWS  change the terminal's size
func speak(ctx context.Context, dialogue string, master console.Console, seen *transcript) error {
	for line := range strings.Lines(dialogue) {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var err error
		switch verb {
		case "", "#":
		case "expect":
			err = seen.expect(ctx, rest)
		case "type":
			err = typeText(master, rest)
		case "resize":
			var size console.WinSize
			if _, err := fmt.Sscanf(rest, "%dx%d", &size.Width, &size.Height); err != nil {
				return usage(line)
			}
			err = master.Resize(size)
		default:
			return usage(line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func typeText(master io.Writer, text string) error {
	typed, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		return usage("type " + text)
	}
	_, err = io.WriteString(master, typed)
	return err
}

// transcript is the output of a terminal.
type transcript struct {
	mu   sync.Mutex
	text string
	from int // where the next expect begins
	wait time.Duration
	done chan struct{}
}

func newTranscript(terminal io.Reader, wait time.Duration) *transcript {
	t := &transcript{wait: wait, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			t.mu.Lock()
			t.text += string(buffer[:n])
			t.mu.Unlock()
			if err != nil {
				return // pty(7): EIO once the other side is closed
			}
		}
	}()
	return t
}

func (t *transcript) expect(ctx context.Context, pattern string) error {
	want, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return usage(err.Error())
	}
	return Until(ctx, t.wait, func(context.Context) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		at := want.FindStringIndex(t.text[t.from:])
		if at == nil {
			return fmt.Errorf("the terminal does not show %q after\n%s\nbut\n%s", pattern, t.text[:t.from], t.text[t.from:])
		}
		t.from += at[1]
		return nil
	})
}
