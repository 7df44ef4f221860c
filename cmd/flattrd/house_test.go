package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rules of the house (CONTRIBUTING.md): who imports whom, who owns which table, where things stand.
const (
	module = "github.com/fedflattr/flattrd"
	root   = "../.."
)

// mayImport says which of our packages a package may import, itself and its test kits aside. A folder
// stands for everything below it unless a longer name is listed.
var mayImport = map[string][]string{
	"migrations":           {},
	"migrations/privatepg": {},
	"ledger/journal":       {},
	"ledger/pair":          {},
	"ledger":               {"ledger/journal", "ledger/pair"},
	"ledger/simulation":    {"ledger", "ledger/pair"},
	"ledger/bench":         {"ledger", "ledger/journal"},
	"ledger/statement":     {"ledger", "ledger/journal", "ledger/pair"},
	"ledger/ledgertest":    {"ledger", "ledger/journal", "ledger/pair", "migrations", "migrations/privatepg", "cmd/flattrd/audit"},
	"federation/vocab":     {},
	"federation/signature": {},
	"federation/guard":     {"federation/vocab"},
	"federation":           {"ledger", "ledger/pair", "federation/vocab", "federation/signature", "federation/guard"},
	"federation/federationtest": {"ledger", "ledger/ledgertest", "federation", "federation/vocab",
		"federation/signature", "federation/guard"},
	"federation/histories": {"ledger", "ledger/pair", "ledger/ledgertest", "federation", "federation/federationtest"},
	"web":                  {"ledger", "ledger/statement", "web/embed"},
	"web/embed":            {},
	"web/webtest":          {},
	"cmd/flattrd":          {"*"},
	// The auditor reads protocol and schema once more: it shares no code with whom it audits.
	"cmd/flattrd/audit": {},
}

// onlyIn says which packages alone may import a library.
var onlyIn = map[string][]string{
	"github.com/go-fed/activity":  {"federation/vocab"},
	"github.com/go-fed/httpsig":   {"federation/signature"},
	"github.com/dadrus/httpsig":   {"federation/signature"},
	"github.com/riverqueue/river": {"federation", "migrations"},
	"github.com/alecthomas/kong":  {"cmd/flattrd"},
}

// eachGoFile calls f with every Go file of the tree.
func eachGoFile(t *testing.T, f func(dir string, file *ast.File, name string, src []byte)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		f(filepath.ToSlash(rel), file, name, src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImports(t *testing.T) {
	eachGoFile(t, func(dir string, file *ast.File, name string, _ []byte) {
		allowed, ok := mayImport[dir]
		if !ok {
			t.Errorf("%s: a package that the house doesn't know; add it to mayImport", dir)
			return
		}
		isTest := strings.HasSuffix(name, "_test.go")
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			for library, owners := range onlyIn {
				if strings.HasPrefix(imported, library) && !slices.Contains(owners, dir) && !isTest {
					t.Errorf("%s imports %s, which only %v may", name, imported, owners)
				}
			}
			ours, ok := strings.CutPrefix(imported, module+"/")
			if !ok || ours == dir || slices.Contains(allowed, ours) || slices.Contains(allowed, "*") {
				continue
			}
			if !isTest || !strings.HasSuffix(ours, "test") && !testMayImport(dir, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
		}
	})
}

// testMayImport: a test may use what its package's imports may use; the wall between web and
// federation holds for tests too.
func testMayImport(dir, ours string) bool {
	top, _, _ := strings.Cut(dir, "/")
	other := map[string]string{"web": "federation", "federation": "web"}[top]
	return other == "" || ours != other && !strings.HasPrefix(ours, other+"/")
}

// Only cmd reads the environment and flags; test kits may read which database to use.
func TestOnlyCommandsReadEnvironment(t *testing.T) {
	env := regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ|Args)\b`)
	eachGoFile(t, func(dir string, _ *ast.File, name string, src []byte) {
		if dir == "cmd/flattrd" || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(dir, "test") ||
			dir == "migrations/privatepg" {
			return
		}
		if found := env.Find(src); found != nil {
			t.Errorf("%s uses %s", name, found)
		}
	})
}

// A table is named in the SQL of its owner's package only; check, the auditor, the test kits and the
// benchmark read everything.
func TestTableOwners(t *testing.T) {
	owners := tableOwners(t)
	if len(owners) < 20 {
		t.Fatalf("only %d tables have an owner", len(owners))
	}
	eachGoFile(t, func(dir string, file *ast.File, name string, _ []byte) {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(dir, "test") || dir == "ledger/bench" || dir == "cmd/flattrd/audit" || readsAll(name) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			for table, owner := range owners {
				if owner != dir && !(owner == "ledger/journal" && dir == "ledger" && readsOnly(lit.Value, table)) && uses(lit.Value, table) {
					t.Errorf("%s: table %s belongs to %s", name, table, owner)
				}
			}
			return true
		})
	})
}

// readsAll are the files of ledger that compare all tables with each other.
func readsAll(name string) bool {
	base := path.Base(filepath.ToSlash(name))
	return strings.HasPrefix(base, "check") || base == "hash.go" || base == "totals.go"
}

var sqlVerb = `(?i)\b(from|join|into|update|table|delete from)\s+`

func uses(sql, table string) bool {
	return regexp.MustCompile(sqlVerb + regexp.QuoteMeta(table) + `\b`).MatchString(sql)
}

// readsOnly: ledger reads balances beside its own rows; it never writes them.
func readsOnly(sql, table string) bool {
	return !regexp.MustCompile(`(?i)\b(into|update)\s+` + regexp.QuoteMeta(table) + `\b`).MatchString(sql)
}

// tableOwners reads the comment over each table of the migrations.
func tableOwners(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "migrations", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	owned := map[string]string{}
	create := regexp.MustCompile(`(?is)((?:--[^\n]*\n)*)\s*create table (?:if not exists )?([a-z_]+)`)
	owner := regexp.MustCompile(`-- owner: ([a-z/]+)`)
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range create.FindAllStringSubmatch(string(src), -1) {
			o := owner.FindStringSubmatch(m[1])
			if o == nil {
				t.Errorf("%s: table %s has no owner", file, m[2])
				continue
			}
			owned[m[2]] = o[1]
		}
	}
	return owned
}

// Every package teaches what it is for.
func TestPackageComments(t *testing.T) {
	said := map[string]int{}
	eachGoFile(t, func(dir string, file *ast.File, name string, _ []byte) {
		if strings.HasSuffix(file.Name.Name, "_test") {
			return
		}
		said[dir] += len(file.Doc.Text())
	})
	for dir, length := range said {
		if length < 80 {
			t.Errorf("%s: no package comment that says what it is for", dir)
		}
	}
}

// Names of this field, not of programming; and the project speaks of itself alone.
func TestBannedWords(t *testing.T) {
	names := regexp.MustCompile(`(?:Manager|Helper|Util|Utils|Impl|Mock)$`)
	words := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	eachGoFile(t, func(dir string, file *ast.File, name string, src []byte) {
		if found := words.Find(src); found != nil {
			t.Errorf("%s: %s", name, found)
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if typ, ok := spec.(*ast.TypeSpec); ok && names.MatchString(typ.Name.Name) {
					t.Errorf("%s: type %s", name, typ.Name.Name)
				}
			}
		}
	})
}

// The top level holds four folders of code, and papers.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"cmd", "federation", "ledger", "web", "migrations", "go.mod", "go.sum", "LICENSE"}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) && !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), ".md") {
			t.Errorf("%s doesn't belong at the top level", e.Name())
		}
	}
}
