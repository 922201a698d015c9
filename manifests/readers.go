package manifests

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkReaders warns of Secrets in files that others can read; the preset restricted refuses them. readers says who can
// read a file, by path.
func checkReaders(documents []*document, readers map[string]string, nodePolicy *NodePolicy) {
	for _, d := range documents {
		secret, ok := d.object.(*v1.Secret)
		if !ok || len(secret.Data)+len(secret.StringData) == 0 {
			continue
		}
		for _, file := range slices.Compact(slices.Sorted(maps.Values(d.files))) {
			d.checkReader(file, readers[file], nodePolicy)
		}
		if !slices.Contains(slices.Collect(maps.Values(d.files)), d.file) {
			d.checkReader(d.file, readers[d.file], nodePolicy)
		}
	}
}

func (d *document) checkReader(file, reader string, nodePolicy *NodePolicy) {
	if reader == "" {
		return
	}
	message := "a Secret in a file that " + reader + " can read"
	if file != d.file {
		message += ", " + file
	}
	const hint = "chmod 600 the file, or chmod 700 the directory"
	if nodePolicy == nil || nodePolicy.Preset != policy.Restricted {
		d.warnings = append(d.warnings, object.Diagnostic{
			Position: d.position(d.root), Message: message, Hint: hint, Severity: object.SeverityWarning, Confidential: true,
		})
		return
	}
	d.errorHint("", hint, "refused by policy %s: %s", nodePolicy.Preset, message)
	d.diagnostics[len(d.diagnostics)-1].Denied = true
}
