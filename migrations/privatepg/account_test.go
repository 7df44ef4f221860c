package privatepg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// As an ordinary user: as nobody if we are root, else as whom we are.
func TestAnOrdinaryUserOwnsACluster(t *testing.T) {
	t.Parallel()
	dir, uid := openDir(t), os.Getuid()
	if uid == 0 {
		nobody, err := lookup("nobody")
		must(t, err)
		uid = nobody.uid
		must(t, os.Chown(dir, uid, nobody.gid))
	}
	for range 2 { // cold and warm
		owner := startChild(t, dir, uid)
		if owner.Error != "" || owner.As != "ourselves" {
			t.Fatalf("uid %d: as %s: %s", uid, owner.As, owner.Error)
		}
		connect(t, owner.DSN)
		owner.stop(t)
	}
	// What an ordinary user has made, root can run later, but not as root.
	if owner, err := accountOf(filepath.Join(dir, "data")); err != nil || owner.uid != uid {
		t.Errorf("the cluster belongs to uid %d, %v", owner.uid, err)
	}
	connect(t, start(t, dir).DSN("postgres"))
}

// Where nobody else can enter, as under /root, or where the user has no name, the server runs in a user namespace;
// where the kernel has none for us, the message says what to do.
func TestUserNamespace(t *testing.T) {
	t.Parallel()
	for name, uid := range map[string]int{"closed directory": os.Getuid(), "nameless user": nameless()} {
		dir := openDir(t)
		must(t, os.Chmod(dir, 0o700))
		if uid != os.Getuid() {
			must(t, os.Chown(dir, uid, uid))
		}
		for range 2 {
			owner := startChild(t, dir, uid)
			if owner.Error != "" {
				if namespacesWork(t) || !strings.Contains(owner.Error, "Choose another data directory") {
					t.Errorf("%s: %s", name, owner.Error)
				}
				break
			}
			connect(t, owner.DSN)
			owner.stop(t)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "data", "*")); namespacesWork(t) && len(left) == 0 {
			t.Errorf("%s: no cluster, %v", name, err)
		}
	}
}

// nameless is a user without an entry in the password file, if we can become one.
func nameless() int {
	if os.Getuid() == 0 {
		return 54321
	}
	return os.Getuid()
}

func namespacesWork(t *testing.T) bool {
	t.Helper()
	acct, err := namespaced()
	must(t, err)
	bin, err := find(SearchDirs(), 0)
	must(t, err)
	return acct.tryOut(t.TempDir(), bin) == nil
}

func TestNoAccountForADirectory(t *testing.T) {
	t.Parallel()
	_, err := accountFor(t.TempDir(), binaries{dir: "/nowhere"})
	if err == nil {
		t.Fatal("an account that can run what doesn't exist")
	}
	for _, part := range []string{"in a user namespace", "/nowhere", "Choose another data directory"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q isn't in the message: %v", part, err)
		}
	}
}
