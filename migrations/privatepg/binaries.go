package privatepg

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// OldestVersion is the oldest major version of PostgreSQL that the schema works with.
const OldestVersion = 15

// binaries are one installed PostgreSQL.
type binaries struct {
	dir     string
	version string // as the program says it: "15.18"
	major   int
}

// MissingError says that the machine has no PostgreSQL that can serve the cluster, what was looked for, and what to do.
type MissingError struct {
	Looked []string // the directories that were searched
	Found  []string // what was there and doesn't fit, with the reason
	Major  int      // the version that the existing cluster needs; 0 if any from OldestVersion on would do
}

func (e *MissingError) Error() string {
	var b strings.Builder
	if e.Major == 0 {
		fmt.Fprintf(&b, "no PostgreSQL %d or newer on this machine", OldestVersion)
	} else {
		fmt.Fprintf(&b, "this database was made by PostgreSQL %d, which this machine doesn't have", e.Major)
	}
	b.WriteString(": looked for the programs initdb and postgres, together in one directory, in ")
	if len(e.Looked) == 0 {
		b.WriteString("(no directory)")
	}
	b.WriteString(strings.Join(e.Looked, ", "))
	for _, found := range e.Found {
		b.WriteString("\n  found " + found)
	}
	b.WriteString("\nInstall it (Debian, Ubuntu: apt install postgresql; Fedora: dnf install postgresql-server; " +
		"macOS: brew install postgresql@17), or set FLATTRD_DATABASE_URL to the address of a PostgreSQL server.")
	return b.String()
}

// SearchDirs are the directories in which PostgreSQL's server programs are usually installed: where PATH finds them,
// where pg_config says, and the places of Debian, Red Hat, the source and Homebrew. Distributions keep the server off
// PATH, so that PATH alone finds nothing on most machines. The working directory isn't searched: a program that lies
// there may be anybody's (CWE-426).
func SearchDirs() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			found = []string{pattern} // so that the error can say where it was looked for
		}
		slices.Reverse(found) // the newest version first
		dirs = append(dirs, found...)
	}
	return dirs
}

// find returns the first fitting PostgreSQL of dirs: exactly major, because a cluster's files are read by the version
// that wrote them only, or for a new cluster (major 0) any that is new enough.
func find(dirs []string, major int) (binaries, error) {
	missing := &MissingError{Looked: dirs, Major: major}
	for _, dir := range dirs {
		bin, err := inspect(dir)
		switch {
		case errors.Is(err, exec.ErrNotFound):
		case err != nil:
			missing.Found = append(missing.Found, fmt.Sprintf("%s: %v", dir, err))
		case bin.major < OldestVersion:
			missing.Found = append(missing.Found, fmt.Sprintf("%s: version %s, too old", dir, bin.version))
		case major != 0 && bin.major != major:
			missing.Found = append(missing.Found, fmt.Sprintf("%s: version %s", dir, bin.version))
		default:
			return bin, nil
		}
	}
	return binaries{}, missing
}

// inspect looks for PostgreSQL in dir. Error: exec.ErrNotFound if there is none.
func inspect(dir string) (binaries, error) {
	// A link (of Debian's kind, or made by hand) is followed: initdb looks for postgres beside itself.
	server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return binaries{}, exec.ErrNotFound
	}
	server, err = filepath.Abs(server)
	if err != nil {
		return binaries{}, err
	}
	bin := binaries{dir: filepath.Dir(server)}
	if _, err := exec.LookPath(filepath.Join(bin.dir, "initdb")); err != nil {
		return binaries{}, errors.New("postgres without initdb")
	}
	out, err := exec.Command(server, "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("postgres --version: %w", err)
	}
	bin.version, bin.major, err = parseVersion(string(out))
	return bin, err
}

// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgres (PostgreSQL) 19beta1"
var versionText = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^ \n]*)`)

func parseVersion(said string) (version string, major int, err error) {
	match := versionText.FindStringSubmatch(said)
	if match == nil {
		return "", 0, fmt.Errorf("postgres --version says %q", strings.TrimSpace(said))
	}
	major, err = strconv.Atoi(match[2])
	return match[1], major, err
}
