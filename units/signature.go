package units

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Format is the number of the way in which unit files and bundles are rendered. It is raised with each change that
// renders the same manifest in another way.
const Format = 6

// Settings of a signature, at the end of the section [X-Davit]: the format, and the sum of all text before the sum.
const (
	formatSetting = "Format="
	sumSetting    = "Sum="
)

// Sign adds the format to the text of a unit file, whose last section is davit's own, so that a later davit knows
// whether it has been edited since.
func Sign(text string, format int) string {
	text += formatSetting + strconv.Itoa(format) + "\n"
	return text + sumSetting + sumOf(text, format) + "\n"
}

// Unsigned separates the text of a unit file from its signature. format is 0 for a file of a davit that did not
// sign. ok is false if the file was edited after it was signed.
func Unsigned(text string) (unsigned string, format int, ok bool) {
	rest, sum, signed := cutLastSetting(text, sumSetting)
	if !signed {
		return text, 0, true
	}
	unsigned, format, err := cutSignature(text)
	return unsigned, format, err == nil && sumOf(rest, format) == sum
}

// WithoutSignature is the text of a unit file without its signature, which is not checked.
func WithoutSignature(text string) string {
	unsigned, _, _ := cutSignature(text)
	return unsigned
}

// cutSignature separates a text from its signature, and does not check that. format is 0 for a text without one.
func cutSignature(text string) (unsigned string, format int, err error) {
	rest, _, signed := cutLastSetting(text, sumSetting)
	if !signed {
		return text, 0, nil
	}
	unsigned, number, _ := cutLastSetting(rest, formatSetting)
	format, err = strconv.Atoi(number)
	return unsigned, format, err
}

// BeforeSignatures is the text of a unit file without its signature as a davit rendered it that did not sign: a line of
// a container could have a priority, and the launcher did not wait; SourcePath= named the manifest.
func BeforeSignatures(text string) string {
	text = strings.Replace(text, "manifest that Source= names", "manifest that SourcePath= names", 1)
	text = strings.Replace(text, "\n"+levelPrefixSetting+"=no\n", "\n", 1)
	text, own, stamped := strings.Cut(text, "\n["+stampSection+"]\n")
	if !stamped {
		return text
	}
	before, rest, waits := strings.Cut("\n["+stampSection+"]\n"+own, "\n"+maxDelaySetting+"=")
	if waits {
		_, rest, _ = strings.Cut(rest, "\n")
		before += "\n" + rest
	}
	return text + before
}

// cutLastSetting returns the text before its last line, and the value of that, if it is of this setting.
func cutLastSetting(text, setting string) (before, value string, ok bool) {
	line := strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n') + 1
	value, ok = strings.CutPrefix(text[line:], setting)
	if !ok {
		return text, "", false
	}
	return text[:line], strings.TrimSuffix(value, "\n"), true
}

// sumOf returns the checksum of the text as a file of the format has it.
func sumOf(text string, format int) string {
	if format >= linksSince {
		text = withLinks(text)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
