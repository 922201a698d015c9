//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	gounits "github.com/docker/go-units"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/agent/usage"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

func topCommand(s *settings) *cobra.Command {
	var interval time.Duration
	var once bool
	cmd := &cobra.Command{
		Use:     "top [NAME]...",
		Aliases: []string{"stats"},
		Short:   "Show the resource use of running containers",
		Long: `Show the resource use of running containers: processor time, where 100 % is one processor, memory
and its limit, bytes read from and written to block devices a second, processes and threads. The
numbers are those of the kernel for each unit's cgroup; a value that it does not count is -.

On a terminal davit redraws the table every interval, until you type q. Elsewhere, with
--once and with -o json davit prints it once, measured over one interval.`,
		Example: `  davit top
  davit top --once -n 5s web app/db
  davit top -o json`,
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeWhere(nil, ownUnit.runs)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if interval < minInterval {
				return fmt.Errorf("--interval %s: want %s at least", interval, minInterval)
			}
			systemd, err := systemd.Connect(cmd.Context())
			if err != nil {
				return err
			}
			defer systemd.Close()
			m := &meter{systemd: systemd, names: args, cgroups: map[string]string{}}
			if once || s.output != "text" || !isTerminal(os.Stdin) || !isTerminal(os.Stdout) {
				return m.printOnce(cmd, s, interval)
			}
			return m.watch(cmd.Context(), interval)
		},
	}
	cmd.Flags().DurationVarP(&interval, "interval", "n", 2*time.Second, "how long to measure")
	cmd.Flags().BoolVar(&once, "once", false, "print one table and exit")
	return cmd
}

// minInterval keeps the measuring from being a large part of the use.
const minInterval = 100 * time.Millisecond

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// meter measures containers again and again.
type meter struct {
	systemd *systemd.Manager
	// names are those that a person wants to see; none means all.
	names []string
	// cgroups are the units' cgroups, by unit, and before their use at the last question.
	cgroups map[string]string
	before  map[string]usage.Sample
}

// measured is one container.
type measured struct {
	Name   string `json:"name"`
	Object string `json:"object"`
	usage.Rates
}

// measure measures since the last time, the largest users of the processors first.
func (m *meter) measure(ctx context.Context) ([]measured, error) {
	wanted, err := m.wanted()
	if err != nil {
		return nil, err
	}
	table, samples := []measured{}, map[string]usage.Sample{}
	for _, unit := range wanted {
		sample, err := m.sample(ctx, unit.ID)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", unit.ID, err)
		}
		samples[unit.ID] = sample
		table = append(table, measured{unit.ID, unit.Object, usage.Between(m.before[unit.ID], sample)})
	}
	m.before = samples
	slices.SortStableFunc(table, func(a, b measured) int { return cmp.Compare(percent(b), percent(a)) })
	return table, nil
}

func percent(m measured) float64 {
	if m.CPUPercent == nil {
		return 0
	}
	return *m.CPUPercent
}

// wanted are the running containers to measure.
func (m *meter) wanted() ([]ownUnit, error) {
	all, err := ownUnits()
	if err != nil {
		return nil, err
	}
	chosen := all
	if len(m.names) > 0 {
		chosen = nil
		for _, name := range m.names {
			found := matching(name, all)
			if len(found) == 0 {
				return nil, noContainer(name, all)
			}
			chosen = append(chosen, found...)
		}
	}
	return slices.DeleteFunc(chosen, func(unit ownUnit) bool { return !unit.runs() }), nil
}

// sample reads a unit's cgroup. Its name is asked for once, and again when the cgroup is gone.
func (m *meter) sample(ctx context.Context, id string) (usage.Sample, error) {
	if cgroup, known := m.cgroups[id]; known {
		if sample, err := usage.Read(cgroup); !errors.Is(err, fs.ErrNotExist) {
			return sample, err
		}
	}
	state, err := m.systemd.State(ctx, names.Service(id))
	if err != nil {
		return usage.Sample{}, err
	}
	if state.ControlGroup == "" {
		return usage.Sample{}, fs.ErrNotExist
	}
	m.cgroups[id] = state.ControlGroup
	return usage.Read(state.ControlGroup)
}

// printOnce measures over one interval.
func (m *meter) printOnce(cmd *cobra.Command, s *settings, interval time.Duration) error {
	if _, err := m.measure(cmd.Context()); err != nil {
		return err
	}
	select {
	case <-time.After(interval):
	case <-cmd.Context().Done():
		return context.Cause(cmd.Context())
	}
	table, err := m.measure(cmd.Context())
	if err != nil {
		return err
	}
	return s.print(cmd.OutOrStdout(), table, func() error { return printUsage(cmd.OutOrStdout(), table) })
}

func printUsage(w io.Writer, rows []measured) error {
	table := newTable(w, "NAME", "CPU %", "MEMORY", "LIMIT", "READ/s", "WRITE/s", "PIDS")
	for _, row := range rows {
		cpu, pids := "-", "-"
		if row.CPUPercent != nil {
			cpu = fmt.Sprintf("%.1f", *row.CPUPercent)
		}
		if row.PIDs != nil {
			pids = fmt.Sprint(*row.PIDs)
		}
		table.row(row.Name, cpu, size(row.MemoryBytes), size(row.MemoryLimitBytes), size(row.ReadBytes), size(row.WrittenBytes), pids)
	}
	return table.columns.Flush()
}

func size(bytes *uint64) string {
	if bytes == nil {
		return "-"
	}
	return gounits.BytesSize(float64(*bytes))
}

// The terminal's words: ECMA-48, and xterm's for its second screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // and hide the cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

// firstInterval is how long a table without rates is shown.
const firstInterval = 500 * time.Millisecond

// watch draws the table until q, ctrl-c or a signal, and leaves the terminal as it was.
func (m *meter) watch(ctx context.Context, interval time.Duration) error {
	before, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return err
	}
	defer term.Restore(int(os.Stdin.Fd()), before)
	fmt.Print(enterScreen)
	defer fmt.Print(leaveScreen)
	keys := make(chan byte)
	go readKeys(keys)
	// The first table has no rates yet.
	for pause := min(interval, firstInterval); ; pause = interval {
		table, err := m.measure(ctx)
		if err != nil {
			return err
		}
		if err := draw(table); err != nil {
			return err
		}
		if left := waitTick(ctx, time.After(pause), keys); left {
			return nil
		}
	}
}

// readKeys passes on the keys; it ends with this process.
func readKeys(keys chan<- byte) {
	key := make([]byte, 1)
	for {
		if _, err := os.Stdin.Read(key); err != nil {
			close(keys)
			return
		}
		keys <- key[0]
	}
}

const ctrlC = 3

// waitTick waits for the next table, and reports whether none is wanted any more.
func waitTick(ctx context.Context, tick <-chan time.Time, keys <-chan byte) bool {
	for {
		select {
		case <-ctx.Done():
			return true
		case <-tick:
			return false
		case key, ok := <-keys:
			if !ok || key == 'q' || key == ctrlC {
				return true
			}
		}
	}
}

// draw fits the table into the window as it is now.
func draw(table []measured) error {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := printUsage(&text, table); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(terminal.Escape(text.String()), "\n"), "\n")
	screen := toTop
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			screen += "\r\n"
		}
		screen += line[:min(len(line), width)] + eraseLine // names are ASCII
	}
	_, err = os.Stdout.WriteString(screen + eraseBelow)
	return err
}
