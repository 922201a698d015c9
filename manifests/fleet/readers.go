package fleet

import (
	"fmt"

	"github.com/davit-project/davit/manifests/check"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// CheckReaders warns of a Secret in files that others can read; the preset restricted refuses it. readers says who can read a file, by
// path.
func CheckReaders(d *yaml.Document, s *check.Subject, readers map[string]string, nodePolicy *Policy) {
	secret, ok := s.Object.(*v1.Secret)
	if !ok || len(secret.Data)+len(secret.StringData) == 0 {
		return
	}
	for _, file := range d.Files() {
		checkReader(d, s, file, readers[file], nodePolicy)
	}
}

func checkReader(d *yaml.Document, s *check.Subject, file, reader string, nodePolicy *Policy) {
	if reader == "" {
		return
	}
	found := object.Diagnostic{
		Message: "a Secret in a file that " + reader + " can read", Hint: "chmod 600 the file, or chmod 700 the directory",
		Severity: object.SeverityWarning, Confidential: true,
	}
	if file != d.File() {
		found.Message += ", " + file
	}
	if nodePolicy != nil && nodePolicy.Preset == policy.Restricted {
		found.Severity, found.Denied = "", true
		found.Message = fmt.Sprintf("refused by policy %s: %s", nodePolicy.Preset, found.Message)
	}
	s.Found = append(s.Found, found)
}
