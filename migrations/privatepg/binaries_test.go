package privatepg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 19beta1\n":                        19,
		"postgres (PostgreSQL) 9.6.24\n":                         9,
		"postgres 17":                                            0,
	} {
		if _, major, err := parseVersion(said); major != want || (err == nil) != (want != 0) {
			t.Errorf("%q: version %d, %v; want %d", said, major, err, want)
		}
	}
}

func TestWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	empty, old, half := openDir(t), openDir(t), openDir(t)
	script(t, old, "initdb", "")
	script(t, old, "postgres", "echo 'postgres (PostgreSQL) 14.9'")
	script(t, half, "postgres", "echo 'postgres (PostgreSQL) 16.1'")

	_, err := Start(t.Context(), Config{Dir: openDir(t), BinDirs: []string{empty, old, half}})
	if missing := new(MissingError); !errors.As(err, &missing) {
		t.Fatalf("start without PostgreSQL: %v", err)
	}
	for _, part := range []string{
		"no PostgreSQL 15 or newer", "initdb and postgres", empty, old + ": version 14.9, too old", half + ": postgres without initdb",
		"apt install postgresql", "FLATTRD_DATABASE_URL",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q isn't in the message:\n%v", part, err)
		}
	}
}

func TestAClusterNeedsTheVersionThatMadeIt(t *testing.T) {
	t.Parallel()
	dir, newer := openDir(t), openDir(t)
	script(t, newer, "initdb", "")
	script(t, newer, "postgres", "echo 'postgres (PostgreSQL) 17.2'")
	must(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("16\n"), 0o600))

	_, err := Start(t.Context(), Config{Dir: dir, BinDirs: []string{newer}})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 16") || !strings.Contains(err.Error(), "version 17.2") {
		t.Errorf("a cluster of another version: %v", err)
	}
}

func TestSearchFindsThisMachinesPostgreSQL(t *testing.T) {
	t.Parallel()
	bin, err := find(SearchDirs(), 0)
	must(t, err)
	if bin.major < OldestVersion {
		t.Errorf("found version %s", bin.version)
	}
	if _, err := find([]string{openDir(t), bin.dir}, bin.major); err != nil {
		t.Error(err)
	}
}

func script(t *testing.T, dir, name, body string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
}
