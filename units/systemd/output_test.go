package systemd

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestOutputOfACommand(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat(strings.Repeat("x", 499)+"\n", 200)
	for name, test := range map[string]struct{ written, want string }{
		"nothing":                   {"", ""},
		"a line":                    {"web: gone\n", "web: gone"},
		"more than a pipe holds":    {lines, strings.TrimSpace(lines)},
		"more than is returned":     {lines + "more", strings.TrimSpace(lines) + cutNote},
		"much more than a megabyte": {strings.Repeat("y", 2<<20), strings.Repeat("y", maxCommandOutput) + cutNote},
	} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out, read, written := &output{reader: reader}, make(chan error, 1), make(chan error, 1)
		go func() { read <- out.read() }()
		go func() { _, err := writer.WriteString(test.written); written <- err }()
		select {
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the command waits for its reader", name)
		}
		if err := out.end(read); err != nil { // systemd has the pipe open still
			t.Errorf("%s: %v", name, err)
		}
		if got := out.text(); got != test.want {
			t.Errorf("%s: got %d bytes %.20q, want %d", name, len(got), got, len(test.want))
		}
		reader.Close()
		writer.Close()
	}
}
