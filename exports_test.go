package davit

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// published are the packages whose exported names are a promise to others; these may be unused here.
var published = []string{"manifests/v1"}

// TestExportedNamesAreUsed finds names that a package exports and that no other one uses: they are to be private, or gone.
func TestExportedNamesAreUsed(t *testing.T) {
	t.Parallel()
	for _, name := range unusedExports(readPackages(t, ".")) {
		t.Errorf("%s is exported, and no other package uses it: make it private, or remove it", name)
	}
}

// TestAnUnusedExportIsFound shows that the check finds a function, a method and a type, and leaves what is used.
func TestAnUnusedExportIsFound(t *testing.T) {
	t.Parallel()
	const lib = `package lib
type Used struct{ Result Inner }
type Inner struct{}
type Idle struct{}
func (Used) Called() {}
func (Used) Uncalled() {}
func (Used) String() string { return "" }
func New() Used { return Used{} }
func Spare() {}
`
	const user = `package user
import other "` + module + `lib"
func f() { other.New().Called() }
`
	packages := map[string]*goPackage{}
	for dir, text := range map[string]string{"lib": lib, "user": user} {
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/x.go", text, 0)
		if err != nil {
			t.Fatal(err)
		}
		packages[dir] = &goPackage{name: dir, files: []*ast.File{file}}
	}
	want := []string{"lib.Idle", "lib.Spare", "lib.Used.Uncalled"}
	if got := unusedExports(packages); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// goPackage is a package of the project: its files, and those of its tests.
type goPackage struct {
	name         string
	files, tests []*ast.File
}

// readPackages parses all Go files below a directory, by the folder that they are in.
func readPackages(t *testing.T, root string) map[string]*goPackage {
	t.Helper()
	packages := map[string]*goPackage{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "build" || path == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if packages[dir] == nil {
			packages[dir] = &goPackage{}
		}
		if strings.HasSuffix(path, "_test.go") {
			packages[dir].tests = append(packages[dir].tests, file)
		} else {
			packages[dir].name = file.Name.Name
			packages[dir].files = append(packages[dir].files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// unusedExports are the exported names of packages that no other one uses, as "folder.Name" and "folder.Type.Method". A type
// that an exported declaration of its package names is used with that. Of a method it counts that a method or a field of that
// name is used by another package, or that an interface of the project or of the standard library asks for it.
func unusedExports(packages map[string]*goPackage) []string {
	names, selected := usesOf(packages)
	var unused []string
	for dir, p := range packages {
		if p.name == "main" || p.name == "" || slices.Contains(published, dir) {
			continue
		}
		mentioned := mentionedTypes(p)
		for _, exported := range exportsOf(p) {
			isUsed := names[dir+"."+exported.name] || mentioned[exported.name]
			if exported.receiver != "" {
				isUsed = selected[exported.name][dir] < len(selected[exported.name]) || slices.Contains(standardMethods, exported.name)
			}
			if !isUsed {
				unused = append(unused, strings.Join(slices.DeleteFunc([]string{dir, exported.receiver, exported.name},
					func(part string) bool { return part == "" }), "."))
			}
		}
	}
	slices.Sort(unused)
	return unused
}

// standardMethods are those by which packages of others use a type.
var standardMethods = []string{
	"String", "GoString", "Error", "Unwrap", "Is", "As", "Read", "Write", "Close", "Seek", "ReadAt", "Len", "Less", "Swap", "Set", "Type",
	"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "MarshalYAML", "LogValue", "ServeHTTP", "RoundTrip", "Temporary", "Timeout",
}

type export struct{ receiver, name string }

func exportsOf(p *goPackage) []export {
	var found []export
	for _, file := range p.files {
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				found = append(found, export{receiverOf(d), d.Name.Name})
			case *ast.GenDecl:
				found = append(found, declaredBy(d)...)
			}
		}
	}
	return slices.DeleteFunc(found, func(e export) bool {
		return !ast.IsExported(e.name) || e.receiver != "" && !ast.IsExported(e.receiver)
	})
}

// declaredBy are the types, variables and constants of a declaration, without the values of an exported type: they go with it.
func declaredBy(d *ast.GenDecl) []export {
	var found []export
	isValue := false
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			found = append(found, export{"", s.Name.Name})
		case *ast.ValueSpec:
			isValue = isOfExportedType(s) || isValue && s.Type == nil && len(s.Values) == 0
			for _, name := range s.Names {
				if !isValue {
					found = append(found, export{"", name.Name})
				}
			}
		}
	}
	return found
}

func isOfExportedType(s *ast.ValueSpec) bool {
	name, ok := s.Type.(*ast.Ident)
	return ok && name.IsExported()
}

// receiverOf is the type of a method; empty for a function.
func receiverOf(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return ""
	}
	name := ""
	ast.Inspect(function.Recv.List[0].Type, func(node ast.Node) bool {
		if identifier, ok := node.(*ast.Ident); ok {
			name = cmp.Or(name, identifier.Name)
		}
		return true
	})
	return name
}

// mentionedTypes are the names in the types and signatures of a package's exported declarations.
func mentionedTypes(p *goPackage) map[string]bool {
	mentioned := map[string]bool{}
	mention := func(in ast.Node, own string) {
		ast.Inspect(in, func(node ast.Node) bool {
			if identifier, ok := node.(*ast.Ident); ok && identifier.Name != own {
				mentioned[identifier.Name] = true
			}
			return true
		})
	}
	for _, file := range p.files {
		ast.Inspect(file, func(node ast.Node) bool {
			switch d := node.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() {
					mention(d.Type, "")
				}
				return false // its body is private
			case *ast.TypeSpec:
				mention(d.Type, d.Name.Name)
			case *ast.ValueSpec:
				if d.Type != nil {
					mention(d.Type, "")
				}
			}
			return true
		})
	}
	return mentioned
}

// usesOf are the names that packages use of others, as "folder.Name", and by name how many packages select a field or a method
// of it.
func usesOf(packages map[string]*goPackage) (names map[string]bool, selected map[string]map[string]int) {
	names, selected = map[string]bool{}, map[string]map[string]int{}
	for dir, p := range packages {
		for _, file := range slices.Concat(p.files, p.tests) {
			imported := importedBy(file, packages)
			ast.Inspect(file, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.SelectorExpr:
					if from, ok := n.X.(*ast.Ident); ok && imported[from.Name] != "" {
						names[imported[from.Name]+"."+n.Sel.Name] = true
					} else {
						count(selected, n.Sel.Name, dir)
					}
				case *ast.InterfaceType:
					for _, method := range n.Methods.List {
						for _, name := range method.Names {
							count(selected, name.Name, dir+" interface")
						}
					}
				}
				return true
			})
		}
	}
	return names, selected
}

func count(selected map[string]map[string]int, name, by string) {
	if selected[name] == nil {
		selected[name] = map[string]int{}
	}
	selected[name][by] = 1
}

// importedBy are the folders of the project that a file imports, by the name that they have there.
func importedBy(file *ast.File, packages map[string]*goPackage) map[string]string {
	imported := map[string]string{}
	for _, spec := range file.Imports {
		dir, own := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
		if !own || packages[dir] == nil {
			continue
		}
		name := packages[dir].name
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = dir
	}
	return imported
}
