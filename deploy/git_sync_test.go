package deploy

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// commandLines are the arguments of all processes, as all users see them.
func commandLines(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil { // it has not ended meanwhile
			all.Write(append(bytes.ReplaceAll(line, []byte{0}, []byte(" ")), '\n'))
		}
	}
	return all.String()
}

func TestGitSyncShowsNobodyTheRepository(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, token, ok := r.BasicAuth(); ok {
			asked <- user + ":" + token + " " + commandLines(t)
			http.NotFound(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		asked <- commandLines(t)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	output, err := sync(t, filepath.Join(t.TempDir(), "state"), "http://someone:c4n4ry@"+host+"/secret-name.git")
	if err == nil || strings.Contains(output, "c4n4ry") {
		t.Errorf("%v\n%s", err, output)
	}
	close(asked)
	authenticated := false
	for lines := range asked {
		_, shown, found := strings.Cut(lines, "someone:c4n4ry ")
		authenticated = authenticated || found
		if !found {
			shown = lines
		}
		for line := range strings.Lines(shown) {
			if strings.Contains(line, "c4n4ry") || strings.Contains(line, "secret-name") {
				t.Errorf("all users see %s", line)
			}
		}
	}
	if !authenticated {
		t.Errorf("the token did not reach the server:\n%s", output)
	}
}

func TestGitSyncIsForRootAndItself(t *testing.T) {
	t.Parallel()
	dir, _ := repository(t)
	state := filepath.Join(t.TempDir(), "state")
	if output, err := sync(t, state, dir); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	err := filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGitSyncStaysInsideTheCommit(t *testing.T) {
	t.Parallel()
	dir, git := repository(t)
	outside := t.TempDir()
	if err := errors.Join(
		os.Symlink(outside, filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "site"), 0o755), os.Mkdir(filepath.Join(outside, "below"), 0o755),
		os.Symlink("..", filepath.Join(dir, "site", "up")), os.Symlink("site", filepath.Join(dir, "inside")),
	); err != nil {
		t.Fatal(err)
	}
	commit(t, dir, git, "site/a.yaml", "one")
	for subdirectory, good := range map[string]bool{
		"site": true, "site/": true, "./site": true, ".": true, "": true,
		"link": false, "link/below": false, "site/up": false, "inside": false, "..": false, "../..": false, "/etc": false, "site/../link": false, "a.yaml": false,
	} {
		state := filepath.Join(t.TempDir(), "state")
		output, err := sync(t, state, dir, "SUBDIRECTORY="+subdirectory)
		if (err == nil) != good {
			t.Errorf("SUBDIRECTORY=%s: %v\n%s", subdirectory, err, output)
		}
		if _, err := os.Lstat(filepath.Join(state, "current")); (err == nil) != good {
			t.Errorf("SUBDIRECTORY=%s: current: %v", subdirectory, err)
		}
	}
}

// TestGitSyncRunsNothingOfATree has files whose names look like options, and attributes and submodules that name programs.
func TestGitSyncRunsNothingOfATree(t *testing.T) {
	t.Parallel()
	dir, git := repository(t)
	ran := filepath.Join(t.TempDir(), "ran")
	files := map[string]string{
		".gitattributes": "* filter=evil diff=evil merge=evil\n", ".gitmodules": "[submodule \"x\"]\n path = sub\n url = ext::sh -c touch% " + ran + "\n",
		"--checkpoint-action=exec=touch ran/a.yaml": "one", "-rf": "two", "--to-command=touch ran": "three", "a\x1b]0;owned\a\n.yaml": "four",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	git("config", "filter.evil.smudge", "touch "+ran)
	commit(t, dir, git, "b.yaml", "five")
	state := filepath.Join(t.TempDir(), "state")
	if output, err := sync(t, state, dir); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for name, text := range files {
		if got := read(t, filepath.Join(state, "current", name)); got != text {
			t.Errorf("%q is %q, want %q", name, got, text)
		}
	}
	for _, path := range []string{ran, "ran"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("a program of the repository ran: there is %s", path)
		}
	}
}

// TestGitSyncRefusesATreeWithALinkAndADirectoryOfOneName: tar would unpack the second through the first.
func TestGitSyncRefusesATreeWithALinkAndADirectoryOfOneName(t *testing.T) {
	t.Parallel()
	dir, git := repository(t)
	outside, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	if output, err := sync(t, state, dir); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	link, file := object(t, dir, "blob", outside), object(t, dir, "blob", "kind: Container")
	below := object(t, dir, "tree", "100644 planted.yaml\x00"+file)
	tree := object(t, dir, "tree", "120000 a\x00"+link+"40000 a\x00"+below)
	head := object(t, dir, "commit", fmt.Sprintf("tree %x\nauthor a <a@example.com> 1700000000 +0000\ncommitter a <a@example.com> 1700000000 +0000\n\nx\n", tree))
	git("update-ref", "refs/heads/main", fmt.Sprintf("%x", head))
	if output, _ := sync(t, state, dir); !strings.Contains(output, "the manifests stay as they are") {
		t.Errorf("it is taken:\n%s", output)
	}
	if planted, _ := os.ReadDir(outside); len(planted) > 0 {
		t.Errorf("outside there is %s", planted[0].Name())
	}
	if got := read(t, filepath.Join(state, "current", "a.yaml")); got != "one" {
		t.Errorf("the manifests are %q", got)
	}
}

// object writes an object that git itself would not make, and returns its name in bytes.
func object(t *testing.T, dir, kind, text string) string {
	t.Helper()
	command := exec.Command("git", "-C", dir, "hash-object", "-w", "--literally", "-t", kind, "--stdin")
	command.Stdin = strings.NewReader(text)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	name, err := hex.DecodeString(strings.TrimSpace(string(output)))
	if err != nil {
		t.Fatal(err)
	}
	return string(name)
}

// signer makes a key that commits are signed with, and returns the file that allows it.
func signer(t *testing.T, git func(...string)) (allowed string) {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if output, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	git("config", "gpg.format", "ssh")
	git("config", "user.signingKey", key)
	git("config", "commit.gpgSign", "true")
	allowed = filepath.Join(dir, "allowed_signers")
	if err := os.WriteFile(allowed, []byte("a@example.com "+read(t, key+".pub")), 0o644); err != nil {
		t.Fatal(err)
	}
	return allowed
}

func TestGitSyncVerifies(t *testing.T) {
	t.Parallel()
	dir, git := repository(t)
	allowed := "ALLOWED_SIGNERS=" + signer(t, git)
	state := filepath.Join(t.TempDir(), "state")
	current := filepath.Join(state, "current", "a.yaml")
	follow := func(want string, good bool, more ...string) {
		t.Helper()
		output, err := sync(t, state, dir, append(more, "VERIFY=yes")...)
		if (err == nil) != good || read(t, current) != want {
			t.Errorf("at %q, %v\n%s", read(t, current), err, output)
		}
	}
	for _, text := range []string{"two", "three", "four"} {
		commit(t, dir, git, "a.yaml", text)
		follow(text, true, allowed)
	}
	commit(t, dir, git, "a.yaml", "five")
	follow("four", false) // its key is not allowed
	git("-c", "commit.gpgSign=false", "commit", "--quiet", "--amend", "--reset-author", "--no-edit")
	follow("four", false, allowed)
	git("reset", "--quiet", "--hard", "HEAD~2") // to three, which is signed, and older
	follow("four", false, allowed)
	git("reset", "--quiet", "--hard", "HEAD~1")
	commit(t, dir, git, "a.yaml", "another three") // signed, but not a descendant of the applied commit
	follow("four", false, allowed)
	git("branch", "other")
	follow("another three", true, allowed, "REF=other") // another ref is the node owner's word
}

func TestGitSyncTakesNoMoreThanItsBound(t *testing.T) {
	t.Parallel()
	dir, git := repository(t)
	state := filepath.Join(t.TempDir(), "state")
	if output, err := sync(t, state, dir); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	noise := make([]byte, 3<<20)
	random, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer random.Close()
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	for name, large := range map[string]string{"that git compresses": strings.Repeat("#\n", 3<<19), "of noise": string(noise)} {
		commit(t, dir, git, "large.yaml", large)
		output, _ := sync(t, state, dir, "MAX_SIZE=1")
		if !strings.Contains(output, "stay as they are") || read(t, filepath.Join(state, "current", "a.yaml")) != "one" {
			t.Errorf("3 MiB %s: %s", name, output)
		}
		if _, err := os.Stat(filepath.Join(state, "current", "large.yaml")); err == nil {
			t.Errorf("3 MiB %s are taken", name)
		}
		left, err := filepath.Glob(filepath.Join(state, "repository/objects/pack/tmp_*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestGitSyncWaitsNoLongerThanItsBound(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	began := time.Now()
	output, err := sync(t, filepath.Join(t.TempDir(), "state"), "http://"+silent.Addr().String()+"/silent.git", "TIMEOUT=2")
	if took := time.Since(began); err == nil || took > time.Minute {
		t.Errorf("%v after %s\n%s", err, took, output)
	}
}

// TestGitSyncGoesByAProxyAndTrustsACA has a server whose certificate an authority of the file signed, behind a proxy, which the
// variables of git-sync.env name.
func TestGitSyncGoesByAProxyAndTrustsACA(t *testing.T) {
	t.Parallel()
	dir, _ := repository(t)
	server := httptest.NewTLSServer(gitServer(t, dir))
	defer server.Close()
	asked := make(chan string, 16)
	proxy := httptest.NewServer(tunnel(asked))
	defer proxy.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o644); err != nil {
		t.Fatal(err)
	}
	url := server.URL + "/.git"
	without := []string{"https_proxy=", "HTTPS_PROXY=", "no_proxy=", "NO_PROXY="}
	if output, err := sync(t, filepath.Join(t.TempDir(), "state"), url, append(without, "https_proxy="+proxy.URL)...); err == nil || !strings.Contains(output, "certificate") {
		t.Errorf("without the authority: %v\n%s", err, output)
	}
	state := filepath.Join(t.TempDir(), "state")
	if output, err := sync(t, state, url, append(without, "https_proxy="+proxy.URL, "GIT_SSL_CAINFO="+ca)...); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if got := read(t, filepath.Join(state, "current", "a.yaml")); got != "one" {
		t.Errorf("got %q", got)
	}
	close(asked)
	if host := <-asked; host != strings.TrimPrefix(server.URL, "https://") {
		t.Errorf("the proxy was asked for %q", host)
	}
}

// gitServer serves the repositories below a directory.
func gitServer(t *testing.T, dir string) http.Handler {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
		Stderr: io.Discard,
	}
}

// tunnel is a proxy for TLS, which reports the servers that it is asked for.
func tunnel(asked chan<- string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Host
		server, err := net.Dial("tcp", r.Host)
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		w.WriteHeader(http.StatusOK)
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		go func() { _, _ = io.Copy(server, client) }()
		_, _ = io.Copy(client, server)
	})
}
