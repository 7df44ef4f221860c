//go:build !linux

package privatepg

import (
	"errors"
	"os"
	"syscall"
)

// attributes make a child run as the account. There is no parent-death signal here: a server whose process was killed
// runs on until the next Start in its directory.
func (a account) attributes(syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.uid != os.Getuid() {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

func namespaced() (account, error) {
	return account{}, errors.New("this system has no user namespaces")
}
