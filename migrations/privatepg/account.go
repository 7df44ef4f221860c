package privatepg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is as whom PostgreSQL runs, which is never root.
type account struct {
	uid, gid int // the owner of the files, as we see it
	// inside is set in a user namespace: the ids that uid and gid have in there.
	inside *ids
}

type ids struct{ uid, gid int }

func ourselves() account { return account{uid: os.Getuid(), gid: os.Getgid()} }

func (a account) String() string {
	switch {
	case a.inside != nil:
		return fmt.Sprintf("uid %d of a user namespace", a.inside.uid)
	case a.uid == os.Getuid():
		return "ourselves"
	default:
		return fmt.Sprintf("uid %d", a.uid)
	}
}

// own gives a file that we made to the account.
func (a account) own(path string) error {
	if a.uid == os.Getuid() {
		return nil
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("give %s to PostgreSQL's user: %w", path, err)
	}
	return nil
}

// accountOf is whom an existing cluster belongs to: PostgreSQL serves only files of its own user.
func accountOf(data string) (account, error) {
	info, err := os.Stat(data)
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL cluster: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, fmt.Errorf("PostgreSQL cluster %s: this system doesn't tell a file's owner", data)
	}
	owner := account{uid: int(stat.Uid), gid: int(stat.Gid)}
	switch {
	case owner.uid == 0:
		return namespaced()
	case os.Getuid() == 0 || owner.uid == os.Getuid():
		return owner, nil
	default:
		return account{}, fmt.Errorf("PostgreSQL cluster %s belongs to uid %d, and we are uid %d", data, owner.uid, os.Getuid())
	}
}

// accountFor chooses an account for a cluster that is about to be made in fresh, and gives it that directory.
func accountFor(fresh string, bin binaries) (account, error) {
	var refused []string
	for _, candidate := range candidates() {
		acct, err := candidate.account()
		if err == nil {
			err = acct.tryOut(fresh, bin)
		}
		if err == nil {
			return acct, nil
		}
		refused = append(refused, fmt.Sprintf("\n  %s: %v", candidate.name, err))
	}
	return account{}, fmt.Errorf("no user can run PostgreSQL in %s (root itself is refused by PostgreSQL):%s\n"+
		"Choose another data directory, for example one under /var/lib.", filepath.Dir(fresh), strings.Join(refused, ""))
}

type candidate struct {
	name    string
	account func() (account, error)
}

// candidates: an ordinary user runs it itself; root takes the user that PostgreSQL's package has made, else nobody.
// The namespace is for directories that neither can enter, and for a user without an entry in the password file, as
// containers have: initdb asks for its name.
func candidates() []candidate {
	namespace := candidate{"in a user namespace", namespaced}
	if os.Getuid() == 0 {
		return []candidate{named("postgres"), named("nobody"), namespace}
	}
	return []candidate{{"as ourselves", listed}, namespace}
}

func named(name string) candidate {
	return candidate{"user " + name, func() (account, error) {
		id, err := lookup(name)
		return account{uid: id.uid, gid: id.gid}, err
	}}
}

func listed() (account, error) {
	_, err := user.LookupId(strconv.Itoa(os.Getuid()))
	return ourselves(), err
}

func lookup(name string) (ids, error) {
	entry, err := user.Lookup(name)
	if err != nil {
		return ids{}, err
	}
	uid, err := strconv.Atoi(entry.Uid)
	if err != nil {
		return ids{}, err
	}
	gid, err := strconv.Atoi(entry.Gid)
	return ids{uid, gid}, err
}

// tryOut gives dir to the account and checks, as that account, that it can get there and to the binaries.
func (a account) tryOut(dir string, bin binaries) error {
	if err := os.Chown(dir, a.uid, a.gid); err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", `cd "$1" && test -w . && test -x "$2"`, "sh", dir, filepath.Join(bin.dir, "initdb"))
	cmd.Dir = "/"
	cmd.SysProcAttr = a.attributes(syscall.SIGKILL)
	exited, err := spawn(cmd)
	if err == nil {
		err = <-exited
	}
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		return fmt.Errorf("has no access to %s or to %s", dir, bin.dir)
	}
	return err
}
