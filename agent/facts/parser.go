package facts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/manifests/check"
)

// SystemdParser asks the node's systemd-analyze.
var SystemdParser check.Parser = &parser{verify: verify}

// parser remembers systemd's answers about the last assignments: they stay the same while systemd does, and davit is started again before
// a newer systemd is one that containers depend on.
type parser struct {
	verify func(ctx context.Context, text string) (said string, fatal bool, err error)

	mutex sync.Mutex
	known map[check.Assignment]*check.Fault // nil for a right one
}

// Parse implements [check.Parser].
func (p *parser) Parse(assignments []check.Assignment) (map[check.Assignment]check.Fault, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	known := map[check.Assignment]*check.Fault{}
	var unknown []check.Assignment
	for _, assignment := range assignments {
		if fault, ok := p.known[assignment]; ok {
			known[assignment] = fault
		} else {
			unknown = append(unknown, assignment)
		}
	}
	if len(unknown) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout)
		defer cancel()
		answers, err := p.ask(ctx, unknown)
		if err != nil {
			return nil, false
		}
		maps.Copy(known, answers)
	}
	p.known = known
	faults := map[check.Assignment]check.Fault{}
	for _, assignment := range assignments {
		if fault := p.known[assignment]; fault != nil {
			faults[assignment] = *fault
		}
	}
	return faults, true
}

// ask has systemd read a unit with these assignments, each on a line of its own below its section's name.
func (p *parser) ask(ctx context.Context, assignments []check.Assignment) (map[check.Assignment]*check.Fault, error) {
	text := "[Service]\nExecStart=/bin/true\n"
	lines := map[int]check.Assignment{}
	answers := map[check.Assignment]*check.Fault{}
	for _, assignment := range assignments {
		text += fmt.Sprintf("[%s]\n%s=%s\n", assignment.Section, assignment.Name, assignment.Value)
		lines[strings.Count(text, "\n")] = assignment
		answers[assignment] = nil
	}
	said, fatal, err := p.verify(ctx, text)
	if err != nil {
		return nil, err
	}
	last := check.Assignment{}
	for line := range strings.Lines(said) {
		number, message, ok := strings.Cut(strings.TrimSpace(line), ": ")
		at, err := strconv.Atoi(number)
		assignment, ours := lines[at]
		if !ok || err != nil || !ours {
			continue
		}
		// Others are advice about settings that have an effect, but for the last one at which systemd has stopped.
		last = assignment
		if fatal || strings.Contains(message, "ignoring") || strings.HasPrefix(message, "Failed to parse") {
			answers[assignment] = &check.Fault{Unknown: strings.HasPrefix(message, "Unknown key"), Message: message}
		}
	}
	if !fatal {
		return answers, nil
	}
	if last == (check.Assignment{}) {
		return nil, fmt.Errorf("systemd refuses the unit: %s", said)
	}
	return p.askWithout(ctx, assignments, last, answers[last])
}

// askWithout asks again without the assignment at which systemd stopped reading.
func (p *parser) askWithout(ctx context.Context, assignments []check.Assignment, stopped check.Assignment, fault *check.Fault) (map[check.Assignment]*check.Fault, error) {
	others := slices.DeleteFunc(slices.Clone(assignments), func(other check.Assignment) bool { return other == stopped })
	answers, err := p.ask(ctx, others)
	if err == nil {
		answers[stopped] = fault
	}
	return answers, err
}

// verifyTimeout is far longer than systemd takes to read a unit a few times. The agent does nothing else meanwhile.
const verifyTimeout = 10 * time.Second

// verify returns systemd's messages about a unit's text, a line each: LINE: MESSAGE. fatal is set if it has not read all of it.
func verify(ctx context.Context, text string) (said string, fatal bool, err error) {
	dir, err := os.MkdirTemp("", "davit-verify-*")
	if err != nil {
		return "", false, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "davit-verify.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", false, err
	}
	command := exec.CommandContext(ctx, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file)
	command.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_LOG_LEVEL=warning", "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_COLOR=0", "SYSTEMD_LOG_LOCATION=0", "SYSTEMD_LOG_TIME=0")
	var output bytes.Buffer
	command.Stderr = &output
	err = command.Run() // which fails for units that cannot be started, too
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !exit.Exited()) {
		return "", false, err
	}
	var lines strings.Builder
	for line := range strings.Lines(output.String()) {
		if rest, ok := strings.CutPrefix(line, file+":"); ok {
			lines.WriteString(rest)
		}
	}
	return lines.String(), strings.Contains(output.String(), "has a bad unit file setting"), nil
}
