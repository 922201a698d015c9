package units

import (
	"strings"
	"testing"
)

func TestSignature(t *testing.T) {
	t.Parallel()
	const text = "[Unit]\nDescription=web\n\n[X-Davit]\nObject=Container/web\n"
	signed := Sign(text, 7)
	if got, format, ok := Unsigned(signed); got != text || format != 7 || !ok {
		t.Errorf("got %q, %d, %t", got, format, ok)
	}
	if got := WithoutSignature(signed); got != text {
		t.Errorf("without its signature: %q", got)
	}
	if own, err := ParseOwn(signed); err != nil || own.Object != "Container/web" {
		t.Errorf("got %v, %v", own, err)
	}
	if got, format, ok := Unsigned(text); got != text || format != 0 || !ok {
		t.Errorf("without a signature: got %q, %d, %t", got, format, ok)
	}
	for name, edited := range map[string]string{
		"a setting":      strings.Replace(signed, "=web", "=other", 1),
		"the format":     strings.Replace(signed, "Format=7", "Format=8", 1),
		"the sum":        strings.Replace(signed, sumSetting, sumSetting+"0", 1),
		"no format":      text + sumSetting + sumOf(text, 0) + "\n",
		"an added line":  "# mine\n" + signed,
		"a removed line": strings.Replace(signed, "Description=web\n", "", 1),
	} {
		if _, _, ok := Unsigned(edited); ok {
			t.Errorf("%s edited, and the signature is taken", name)
		}
	}
}
