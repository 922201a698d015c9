package v1

import (
	"encoding/json"
	"fmt"
)

// Config holds files and variables for containers: a Kubernetes ConfigMap is one.
type Config struct {
	TypeMeta `json:",inline"`
	// Metadata names the config.
	Metadata ObjectMeta `json:"metadata"`
	// Data are texts by key; a key has letters, digits, '-', '_' and '.'.
	Data map[string]string `json:"data,omitempty"`
	// BinaryData are bytes by key, in base64. No key may be in both.
	BinaryData map[string][]byte `json:"binaryData,omitempty"`
}

// Ref implements [Object].
func (c *Config) Ref() Ref { return Ref{KindConfig, c.Metadata.Name} }

// Meta implements [Object].
func (c *Config) Meta() ObjectMeta { return c.Metadata }

// Secret is a Config whose values are never shown: not in plans, logs, units or
// bundles.
type Secret struct {
	TypeMeta `json:",inline"`
	// Metadata names the secret.
	Metadata ObjectMeta `json:"metadata"`
	// Type is for people and tools.
	Type string `json:"type,omitempty"`
	// Data are values by key, in base64.
	Data map[string]SecretBytes `json:"data,omitempty"`
	// StringData are values by key, as text; it wins over data.
	StringData map[string]SecretString `json:"stringData,omitempty"`
}

// Ref implements [Object].
func (s *Secret) Ref() Ref { return Ref{KindSecret, s.Metadata.Name} }

// Meta implements [Object].
func (s *Secret) Meta() ObjectMeta { return s.Metadata }

// redacted is printed in place of a secret.
const redacted = "[redacted]"

// SecretBytes are bytes that print as [redacted]; in YAML they are base64.
type SecretBytes []byte

// Format implements [fmt.Formatter].
func (SecretBytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON never gives the value.
func (SecretBytes) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// SecretString is text that prints as [redacted].
type SecretString string

// Format implements [fmt.Formatter].
func (SecretString) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON never gives the value.
func (SecretString) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
