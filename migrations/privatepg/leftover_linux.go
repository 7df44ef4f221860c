package privatepg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// inhabitants are PostgreSQL's processes in a cluster: each of them has it as its working directory. A zombie has
// none, and the process that got a dead server's id has another one, so this tells what postmaster.pid can't.
func inhabitants(data string) []int {
	home, err := os.Stat(data)
	if err != nil {
		return nil
	}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	var pids []int
	for _, link := range links {
		cwd, err := os.Stat(link)
		if err != nil || !os.SameFile(home, cwd) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "comm"))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil && strings.Contains(string(name), "postgres") {
			pids = append(pids, pid)
		}
	}
	return pids
}
