package schema

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// comments are the doc comments of a package, by type, and by type and field.
type comments map[string]string

// readComments parses a package's sources. Those that are embedded have been compiled, so an
// error is a mistake of this package.
func readComments(sources fs.FS) comments {
	files := token.NewFileSet()
	var parsed []*ast.File
	names, err := fs.Glob(sources, "*.go")
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		var text []byte
		var file *ast.File
		if text, err = fs.ReadFile(sources, name); err == nil {
			file, err = parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
		}
		if err != nil {
			break
		}
		parsed = append(parsed, file)
	}
	if err != nil {
		panic(fmt.Sprintf("read the sources of manifests/v1: %v", err))
	}
	described, err := doc.NewFromFiles(files, parsed, reflect.TypeFor[v1.Ref]().PkgPath())
	if err != nil {
		panic(fmt.Sprintf("read the sources of manifests/v1: %v", err))
	}
	return commentsOf(described)
}

func commentsOf(of *doc.Package) comments {
	found := comments{}
	for _, t := range of.Types {
		found[t.Name] = plain(of, t.Doc)
		structure, ok := t.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			for _, name := range field.Names {
				found[t.Name+"."+name.Name] = plain(of, field.Doc.Text())
			}
		}
	}
	return found
}

// plain prints a comment without links and without line breaks inside a paragraph.
func plain(of *doc.Package, text string) string {
	printer := comment.Printer{TextWidth: -1}
	return strings.TrimSpace(string(printer.Text(of.Parser().Parse(text))))
}

// ofType is a type's comment. "KeyRef names a key." becomes "Names a key.", "HostPath is a
// file." becomes "A file.": the name is for programmers.
func (c comments) ofType(of reflect.Type) string {
	text := strings.TrimPrefix(c[of.Name()], of.Name()+" ")
	for _, verb := range []string{"is ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// subject is what a field's comment begins with: the Go names of one field or several.
var subject = regexp.MustCompile(`^[A-Z]\w*(?:(?:, | and )[A-Z]\w*)*`)

var goName = regexp.MustCompile(`\w+`)

// ofField is a field's comment, in which the fields it begins with are called as in YAML.
func (c comments) ofField(field v1.Field) string {
	text := c[field.Owner.Name()+"."+field.Go]
	begin := subject.FindString(text)
	siblings := map[string]string{}
	for _, sibling := range v1.Fields(field.Owner) {
		siblings[sibling.Go] = sibling.Name
	}
	begin = goName.ReplaceAllStringFunc(begin, func(word string) string {
		if name, ok := siblings[word]; ok {
			return name
		}
		return word
	})
	return begin + text[len(subject.FindString(text)):]
}
