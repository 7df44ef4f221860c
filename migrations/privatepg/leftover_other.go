//go:build !linux

package privatepg

import (
	"os/exec"
	"strconv"
	"strings"
)

// inhabitants is the server process of a cluster, if it runs: the one that postmaster.pid names, provided that its
// command line names the cluster, for the id may belong to another program by now.
func inhabitants(data string) []int {
	pid := postmaster(data)
	if pid == 0 {
		return nil
	}
	command, err := exec.Command("ps", "-p", strconv.Itoa(pid), "-o", "command=").Output()
	if err != nil || !strings.Contains(string(command), data) {
		return nil
	}
	return []int{pid}
}
