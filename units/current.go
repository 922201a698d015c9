package units

import (
	"path"
	"regexp"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// The text of a unit names the bundle that it starts, by a directory that is named by its content. The file names a link
// to that directory, see [bundle.CurrentBundle]: a new version changes where the link leads and not the file, so that
// systemd need not read the files of all units again. A text is compared and kept as a whole; only here it is two things.

// linksSince is the first format whose files name links.
const linksSince = 4

// bundlePath is the directory of a bundle (bundle.DirName), currentPath the link to that of a unit.
var (
	bundlePath  = regexp.MustCompile(regexp.QuoteMeta(bundle.BundlesDir) + `/([A-Za-z0-9@._-]+)-[0-9a-f]{16}( |$)`)
	currentPath = regexp.MustCompile(regexp.QuoteMeta(bundle.CurrentDir) + `/([A-Za-z0-9@._-]+)`)
)

// OnDisk is the text of the file of a unit.
func OnDisk(text string) string {
	_, format, _ := cutSignature(text)
	if format < linksSince {
		return text
	}
	return withLinks(text)
}

// withLinks is a unit's text with links in the place of bundles.
func withLinks(text string) string {
	return inCommands(text, func(command string) string {
		return bundlePath.ReplaceAllString(command, bundle.CurrentDir+"/$1$2")
	})
}

// WithBundles is a unit's text with the bundles in the place of the links to them. A link that is not there stays.
func WithBundles(text string, current map[string]string) string {
	return inCommands(text, func(command string) string {
		return currentPath.ReplaceAllStringFunc(command, func(link string) string {
			if dirName, ok := current[path.Base(link)]; ok {
				return bundle.Path(dirName)
			}
			return link
		})
	})
}

// inCommands replaces the commands of a unit's text, ExecStart= and the others.
func inCommands(text string, replace func(command string) string) string {
	var changed strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Exec") {
			line = replace(strings.TrimSuffix(line, "\n")) + "\n"
		}
		changed.WriteString(line)
	}
	return changed.String()
}

// Linked are the ids whose links a file names.
func Linked(text string) []string {
	var ids []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Exec") {
			continue
		}
		for _, match := range currentPath.FindAllStringSubmatch(line, -1) {
			ids = append(ids, match[1])
		}
	}
	return ids
}
