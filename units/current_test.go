package units

import (
	"strings"
	"testing"
)

func TestAFileNamesLinksToBundles(t *testing.T) {
	t.Parallel()
	const (
		bundles = "[Unit]\nDescription=dir:/var/lib/davit/bundles/web-0123456789abcdef\n\n[Service]\n" +
			"ExecCondition=/usr/libexec/davit-run due /var/lib/davit/bundles/job@2-fedcba9876543210\n" +
			"ExecStart=/usr/libexec/davit-run start /var/lib/davit/bundles/web-1-0123456789abcdef\n" +
			"ExecStopPost=/usr/libexec/davit-run cleanup web-1\n\n[X-Davit]\nObject=Container/web-1\n"
		links = "[Unit]\nDescription=dir:/var/lib/davit/bundles/web-0123456789abcdef\n\n[Service]\n" +
			"ExecCondition=/usr/libexec/davit-run due /var/lib/davit/current/job@2\n" +
			"ExecStart=/usr/libexec/davit-run start /var/lib/davit/current/web-1\n" +
			"ExecStopPost=/usr/libexec/davit-run cleanup web-1\n\n[X-Davit]\nObject=Container/web-1\n"
	)
	signed := Sign(bundles, Format)
	file := OnDisk(signed)
	if unsigned, format, ok := Unsigned(file); unsigned != links || format != Format || !ok {
		t.Errorf("the file is %q, format %d, intact %t", unsigned, format, ok)
	}
	current := map[string]string{"web-1": "web-1-0123456789abcdef", "job@2": "job@2-fedcba9876543210", "other": "other-0123456789abcdef"}
	if got := WithBundles(file, current); got != signed {
		t.Errorf("read back: %q", got)
	}
	if _, _, ok := Unsigned(WithBundles(file, current)); !ok {
		t.Error("it counts as edited")
	}
	if got := strings.Join(Linked(file), " "); got != "job@2 web-1" {
		t.Errorf("it names %s", got)
	}
	// Another version of the bundle is another text, and the same file.
	if other := strings.ReplaceAll(bundles, "web-1-0123456789abcdef", "web-1-0000000000000000"); OnDisk(Sign(other, Format)) != file {
		t.Error("the file changes with the bundle")
	}
	// A link that is gone stays in the text, which is another one then.
	if got := WithBundles(file, nil); got != file {
		t.Errorf("without links: %q", got)
	}
	// As davit wrote files before, they name bundles.
	for _, old := range []string{bundles, Sign(bundles, linksSince-1)} {
		if got := OnDisk(old); got != old {
			t.Errorf("of an earlier format: %q", got)
		}
	}
}
