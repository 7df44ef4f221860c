package privatepg

import (
	"os"
	"syscall"
)

// attributes make a child run as the account and get the signal death when our process ends.
func (a account) attributes(death syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	switch {
	case a.inside != nil:
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: a.inside.uid, HostID: a.uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: a.inside.gid, HostID: a.gid, Size: 1}}
		attr.Credential = &syscall.Credential{Uid: uint32(a.inside.uid), Gid: uint32(a.inside.gid), NoSetGroups: true}
	case a.uid != os.Getuid():
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// namespaced is ourselves, seen from inside as nobody.
func namespaced() (account, error) {
	nobody, err := lookup("nobody")
	acct := ourselves()
	acct.inside = &nobody
	return acct, err
}
