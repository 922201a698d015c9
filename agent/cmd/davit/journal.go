//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/davit-project/davit/agent/terminal"
)

// newLog writes to the journal, with a field for each attribute, where standard error goes there, and
// to standard error otherwise.
func newLog() *slog.Logger {
	if direct, err := journal.StderrIsJournalStream(); err == nil && direct {
		return slog.New(&journalHandler{})
	}
	return slog.New(slog.NewTextHandler(terminal.NewWriter(os.Stderr), &slog.HandlerOptions{ReplaceAttr: withoutTime}))
}

// journalHandler sends each line to the journal by its own protocol. A line about a unit also belongs to that
// unit: journalctl --unit=web shows messages of root about it (systemd.journal-fields(7),
// OBJECT_SYSTEMD_UNIT=).
type journalHandler struct {
	attributes []slog.Attr
}

// Enabled implements [slog.Handler].
func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// WithAttrs implements [slog.Handler].
func (h *journalHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &journalHandler{append(h.attributes[:len(h.attributes):len(h.attributes)], attributes...)}
}

// WithGroup implements [slog.Handler]; davit has no groups.
func (h *journalHandler) WithGroup(string) slog.Handler { return h }

// Handle implements [slog.Handler].
func (h *journalHandler) Handle(ctx context.Context, record slog.Record) error {
	record.AddAttrs(h.attributes...)
	fields := map[string]string{}
	record.Attrs(func(attribute slog.Attr) bool {
		value := terminal.Escape(attribute.Value.Resolve().String())
		fields["DAVIT_"+strings.ToUpper(attribute.Key)] = value
		if attribute.Key == "unit" {
			fields["OBJECT_SYSTEMD_UNIT"] = value
		}
		return true
	})
	text, err := messageOf(ctx, record)
	if err != nil {
		return err
	}
	if journal.Send(text, priorityOf(record.Level), fields) != nil {
		_, err = fmt.Fprintln(os.Stderr, text) // better without its fields than not at all
	}
	return err
}

// messageOf is a record as a line. slog quotes all that is not printable but DEL.
func messageOf(ctx context.Context, record slog.Record) (string, error) {
	var text bytes.Buffer
	err := slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: withoutTime}).Handle(ctx, record)
	return terminal.Line(strings.TrimSuffix(text.String(), "\n")), err
}

func priorityOf(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	default:
		return journal.PriInfo
	}
}

// withoutTime leaves out the time, which the journal adds.
func withoutTime(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) == 0 && attribute.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attribute
}
