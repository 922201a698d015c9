package watch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// commitName is the whole hash of a commit, as git has it: SHA-1 or SHA-256.
var commitName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// revision is the commit that a directory is of: it lies below a directory named by one, as
// with git-sync and davit-git-sync, or is in a working tree, which git may be busy with: it
// holds the index while it checks files out. It is shown to people only, so an unknown revision is no error.
func revision(root string) (commit string, busy bool) {
	path, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", false
	}
	for dir := path; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if name := filepath.Base(dir); commitName.MatchString(name) {
			return name, false
		}
		repository := filepath.Join(dir, ".git")
		if commit := head(repository); commit != "" {
			_, err := os.Lstat(filepath.Join(repository, "index.lock"))
			return commit, err == nil
		}
	}
	return "", false
}

// head is the commit that a repository has checked out (gitrepository-layout(5)).
func head(repository string) string {
	text, err := os.ReadFile(filepath.Join(repository, "HEAD"))
	if err != nil {
		return ""
	}
	if ref, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: "); ok && filepath.IsLocal(ref) {
		if text, err = os.ReadFile(filepath.Join(repository, ref)); err != nil {
			return ""
		}
	}
	if commit := strings.TrimSpace(string(text)); commitName.MatchString(commit) {
		return commit
	}
	return ""
}
