package davit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// touching are the packages that open files which containers can change. There, each call that opens a file goes
// through agent/untrusted, unless its path is recognised as one of the node's own.
var touching = []string{"agent/launch", "agent/resolver", "agent/transfer", "agent/usage", "agent/volumes"}

// opening are the functions and methods that open a file at a path, by name.
var opening = []string{
	"Open", "OpenFile", "OpenRoot", "OpenInRoot", "Create", "ReadFile", "WriteFile", "ReadDir", "Openat", "Openat2", "Creat",
	"WalkDir", "CopyFS",
}

// harmless are packages whose functions of these names may be used: the one that all goes through; one that returns
// handles by which nothing can be read (O_PATH), which does not wait; and those that open davit's own state alone.
var harmless = []string{"untrusted", "pathrs", "disk", "libcontainer"}

// nodePaths are the prefixes of paths of the node's own. Files below /proc/PID are the kernel's, but for the links to a
// process's files.
var (
	nodePaths = []string{"/proc/self/", "/proc/thread-self/", "/proc/sys", "/sys/", "/proc/%d/ns/", "/proc/%d/cgroup", "/proc/%d/attr/", "/proc/%d", "/dev/ptmx", "/dev/pts/%d", "/dev/null"}
	notNode   = []string{"/root", "/cwd", "/fd/", "/exe", "/map_files"}
)

// containers' names in a container's own directory: it sees these files.
var seenByContainer = []string{`"hosts"`, `"hostname"`, `"resolv.conf"`}

// nodesOwn are functions that open other paths of the node's, with whose they are. A container can change none of them.
var nodesOwn = map[string]string{
	"agent/launch/confine.loaded":          "a file of the kernel's",
	"agent/launch/runtime.Leave":           "a control group",
	"agent/launch/network.readMember":      "a record below /run/davit",
	"agent/launch/network.record":          "a record below /run/davit",
	"agent/launch/stdio.outputNamedIn":     "the bundle, which is root's and never rewritten",
	"agent/launch/record.ForgetRun":        "the container's directory, which is root's",
	"agent/launch/record.TakeFailure":      "a record below /run/davit",
	"agent/launch/cleanup.stillWaits":      "a record below /run/davit",
	"agent/launch/record.WriteNote":        "a record below /run/davit",
	"agent/launch/runtime.created":         "the runtime's own directory",
	"agent/launch/runtime.explain":         "the runtime's own directory",
	"agent/launch/runtime.Signal":          "the runtime's own directory",
	"agent/launch/runtime.keptHooks":       "the runtime's own directory",
	"agent/launch/runtime.group":           "the runtime's own directory",
	"agent/launch/rootfs.fillInitLayer":    "a layer below /var/lib/davit that no container can write to",
	"agent/launch/namespaces.setUp":        "a file of the kernel's",
	"agent/launch/namespaces.Pin":          "the container's directory, which is root's",
	"agent/launch/rootfs.isFreshVolume":    "a volume's directory itself, which no container can exchange",
	"agent/launch/rootfs.moveInto":         "a copy beside the volumes that no container has",
	"agent/launch/rootfs.unmapOwners":      "a copy beside the volumes that no container has",
	"agent/launch/rootfs.syncTree":         "a copy beside the volumes that no container has",
	"agent/launch/rootfs.stage":            "the container's directory, which is root's",
	"agent/launch/namespaces.readRange":    "the container's directory, which is root's",
	"agent/launch/namespaces.subordinate":  "/etc/subuid and /etc/subgid",
	"agent/launch/confine.ForbidLingering": "a control group",
	"agent/launch/testnode.Root":           "a test's directory",
	"agent/launch/testnode.Lease":          "a test's directory",
	"agent/launch/mend.writeLost":          "by rootfs.WriteFile, which uses agent/untrusted",
	"agent/launch/start.create":            "nothing: these calls of stdio and runtime make a container",
	"agent/resolver.read":                  "the node's resolv.conf, without waiting",
	"agent/transfer.Container":             "what the kernel says of a process",
	"agent/transfer.readIDs":               "what the kernel says of a process",
	"agent/usage.readFile":                 "a file of the kernel's",
	"agent/usage.countProcesses":           "the kernel's control groups",
	"agent/volumes.openDir":                "the directory of a volume, which is in one of root's",
	"agent/volumes.list":                   "the directory of all volumes, which is root's",
}

func TestContainersFilesAreOpenedInOneWay(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, dir := range touching {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			found, err := openings(path, nil)
			for _, o := range found {
				key := filepath.Dir(path) + "." + o.function
				if nodesOwn[key] == "" {
					t.Errorf("%s: %s opens a file by %s: use agent/untrusted, or say in nodesOwn why no container can change it", o.at, o.function, o.call)
				}
				used[key] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for key := range nodesOwn {
		if !used[key] {
			t.Errorf("nodesOwn: %s opens nothing", key)
		}
	}
}

// TestOpeningIsFound plants other ways of opening a file.
func TestOpeningIsFound(t *testing.T) {
	t.Parallel()
	for call, found := range map[string]bool{
		`os.Open(path)`: true,
		`os.OpenFile(record.File(id, "hosts"), os.O_WRONLY, 0)`:          true,
		`os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/passwd", pid))`:      true,
		`os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", n))`:                true,
		`unix.Open(path, unix.O_RDONLY, 0)`:                              true,
		`unix.Openat2(dir, name, &how)`:                                  true,
		`root.OpenFile(name, flags, 0)`:                                  true,
		`os.OpenRoot(dir)`:                                               true,
		`os.WriteFile(resolver.File(id), text, 0o644)`:                   true,
		`os.ReadFile(bundle.EtcFile(id, name))`:                          true,
		`untrusted.Open(path, flags)`:                                    false,
		`pathrs.OpenInRoot(root, path)`:                                  false,
		`os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))`:               false,
		`os.ReadFile(filepath.Join("/sys/class/net", device, "mtu"))`:    false,
		`os.ReadFile(record.File(id, environmentFile))`:                  false,
		`os.ReadFile(bundle.AddressFile(id))`:                            false,
		`os.OpenFile(path, unix.O_PATH, 0)`:                              false,
		`unix.Openat(int(dir.Fd()), name, unix.O_PATH, 0)`:               false,
		`root.OpenFile(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0)`: false,
	} {
		got, err := openings("planted.go", fmt.Sprintf("package p\nfunc f() { x := %s }\n", call))
		if err != nil || (len(got) > 0) != found {
			t.Errorf("%s: found %v, %v", call, got, err)
		}
	}
}

// TestContainersTreesAreRemovedInOneWay finds calls that remove trees otherwise: a container may nest directories deeper than
// the limits of the process that removes them.
func TestContainersTreesAreRemovedInOneWay(t *testing.T) {
	t.Parallel()
	for _, dir := range touching {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			found, err := removals(path, nil)
			for _, r := range found {
				t.Errorf("%s: %s removes a tree by %s: use untrusted.RemoveAll", r.at, r.function, r.call)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRemovingIsFound plants other ways of removing a tree.
func TestRemovingIsFound(t *testing.T) {
	t.Parallel()
	for expression, found := range map[string]bool{
		`os.RemoveAll(path)`:        true,
		`root.RemoveAll(name)`:      true,
		`os.RemoveAll`:              true,
		`untrusted.RemoveAll(path)`: false,
		`os.Remove(path)`:           false,
	} {
		got, err := removals("planted.go", fmt.Sprintf("package p\nfunc f() { x := %s }\n", expression))
		if err != nil || (len(got) > 0) != found {
			t.Errorf("%s: found %v, %v", expression, got, err)
		}
	}
}

// removals are the places of a file that remove trees otherwise than by agent/untrusted.
func removals(path string, source any) ([]foundAt, error) {
	return findIn(path, source, func(node ast.Node) string {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != "RemoveAll" || isSelector(selector, "untrusted", "RemoveAll") {
			return ""
		}
		return selector.Sel.Name
	})
}

// foundAt is a part of a function.
type foundAt struct {
	at             token.Position
	function, call string
}

// openings are the calls of a file that open others whose paths are not seen to be the node's own.
func openings(path string, source any) ([]foundAt, error) {
	return findIn(path, source, func(node ast.Node) string {
		if call, ok := node.(*ast.CallExpr); ok && !isNodes(call) {
			return opens(call)
		}
		return ""
	})
}

// findIn returns the nodes in a file's functions for which wanted returns a name.
func findIn(path string, source any, wanted func(ast.Node) string) (found []foundAt, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			if name := wanted(node); name != "" {
				found = append(found, foundAt{files.Position(node.Pos()), function.Name.Name, name})
			}
			return true
		})
	}
	return found, nil
}

// opens returns the function by which a call opens a file; empty for any other call.
func opens(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(opening, selector.Sel.Name) {
		return ""
	}
	of, _ := selector.X.(*ast.Ident)
	if of != nil && slices.Contains(harmless, of.Name) {
		return ""
	}
	name := selector.Sel.Name
	if of != nil {
		name = of.Name + "." + name
	}
	return name
}

// isNodes reports whether a call opens a path of the node's own, a file that it makes (O_EXCL), or nothing (O_PATH).
func isNodes(call *ast.CallExpr) bool {
	for _, argument := range call.Args {
		if mentions(argument, func(e ast.Expr) bool { return isSelector(e, "unix", "O_PATH") || isSelector(e, "unix", "O_EXCL") }) {
			return true
		}
	}
	if len(call.Args) == 0 {
		return true
	}
	path := call.Args[0]
	if mentions(path, func(e ast.Expr) bool { return isSelector(e, "resolver", "File") || isSelector(e, "bundle", "EtcFile") }) {
		return false
	}
	if mentions(path, func(e ast.Expr) bool {
		literal, ok := e.(*ast.BasicLit)
		return ok && slices.Contains(seenByContainer, literal.Value)
	}) {
		return false
	}
	return mentions(path, isNodePath)
}

// nodeNames are names of other packages with paths of the node's own.
var nodeNames = []string{"os.DevNull", "record.File", "runtime.GroupRoot"}

// isNodePath reports whether an expression begins a path of the node's own: a literal, a name of package bundle, which
// has the paths of davit's state, or a container's own directory.
func isNodePath(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		text := strings.Trim(e.Value, "`\"")
		begins := func(prefix string) bool { return strings.HasPrefix(text, prefix) }
		holds := func(part string) bool { return strings.Contains(text, part) }
		return slices.ContainsFunc(nodePaths, begins) && !slices.ContainsFunc(notNode, holds)
	case *ast.SelectorExpr:
		of, ok := e.X.(*ast.Ident)
		return ok && (of.Name == "bundle" || slices.Contains(nodeNames, of.Name+"."+e.Sel.Name))
	}
	return false
}

func isSelector(e ast.Expr, of, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == of
}

// mentions reports whether an expression has a part that is as wanted.
func mentions(e ast.Expr, wanted func(ast.Expr) bool) (found bool) {
	ast.Inspect(e, func(node ast.Node) bool {
		if part, ok := node.(ast.Expr); ok && wanted(part) {
			found = true
		}
		return !found
	})
	return found
}
