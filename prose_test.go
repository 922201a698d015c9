package davit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// proseBudget is how many turns of the project's old dialect there may be in 10,000 words, by kind of text. Lower it with each
// text that is rewritten.
var proseBudget = map[string]int{"documents": 10, "messages": 10, "comments": 25}

// dialect are those turns: words that plain English does without, and a clause where the name of a thing belongs ("what is
// desired" for "the desired state").
var dialect = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(told|anew|somebody|nobody|likewise|comes? to|is there|of davit's|what it took along)\b`),
	regexp.MustCompile(`(?i)\b(what|whatever|that which)\b`),
	regexp.MustCompile(`(?i)(^|[.:;,(] *|\b(of|by|from|for|to|with|says?|tells?|and|or|if) )who\b`),
}

// plain are uses of the words above that plain English has too.
var plain = regexp.MustCompile(`(?i)\bwhat (to|if|about)\b|\bis there\b[^.]*\?|\bwhat\b[^.;:]{0,60}\?`)

// prose counts the words of the texts of one kind, and the turns found in them.
type prose struct {
	words, found int
	examples     []string
}

func (p *prose) add(place, text string) {
	p.words += len(strings.Fields(text))
	text = plain.ReplaceAllString(text, "")
	for _, turn := range dialect {
		for _, match := range turn.FindAllStringIndex(text, -1) {
			p.found++
			around := text[max(0, match[0]-30):min(len(text), match[1]+30)]
			p.examples = append(p.examples, place+": "+strconv.Quote(around))
		}
	}
}

// TestTextsArePlainEnglish counts the turns of the dialect in documents, messages and comments.
func TestTextsArePlainEnglish(t *testing.T) {
	t.Parallel()
	for kind, found := range readProse(t) {
		budget := proseBudget[kind]
		if rate := found.found * 10_000 / found.words; rate > budget {
			t.Errorf("%s: %d turns of the dialect in %d words, %d per 10,000: want %d at most, see CONTRIBUTING.md\n%s",
				kind, found.found, found.words, rate, budget, strings.Join(found.examples[:min(20, len(found.examples))], "\n"))
		} else {
			t.Logf("%s: %d per 10,000 words", kind, rate)
		}
	}
}

func readProse(t *testing.T) map[string]*prose {
	t.Helper()
	found := map[string]*prose{"documents": {}, "messages": {}, "comments": {}}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "build" || path == ".git"): // .git of a worktree is a file
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			text, err := os.ReadFile(path)
			found["documents"].add(path, withoutCode(string(text)))
			return err
		case filepath.Ext(path) == ".go":
			addGo(t, path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	codeBlock  = regexp.MustCompile("(?s)```.*?```")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
)

func withoutCode(text string) string {
	return inlineCode.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
}

// addGo adds the comments of a file and, unless it is a test, its messages: strings of three words and more.
func addGo(t *testing.T, path string, found map[string]*prose) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		found["comments"].add(path, group.Text())
	}
	if strings.HasSuffix(path, "_test.go") {
		return
	}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(literal.Value); err == nil && len(strings.Fields(text)) >= 3 {
			found["messages"].add(path, text)
		}
		return true
	})
}
