package main

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/davit-project/davit/agent/terminal"
)

// print writes data as --output says; text is for people.
func (s *settings) print(w io.Writer, data any, text func() error) error {
	switch s.output {
	case "text":
		return text()
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(data)
	case "yaml":
		encoded, err := yaml.Marshal(data)
		if err != nil {
			return err
		}
		// It has escapes of its own for control characters, and no other ones without quotes.
		_, err = terminal.Raw(w).Write(encoded)
		return err
	default:
		return fmt.Errorf("--output %s: want text, json or yaml", s.output)
	}
}
