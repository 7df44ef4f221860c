//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// node is an instance's process. One that was killed at its failpoint is started again with the next, or without one; one
// that ends in any other way fails the run, unless that is what it should do.
type node struct {
	letter, host string
	at           string // where it listens
	env          []string
	mayEnd       bool // with its private PostgreSQL: a supervisor then starts it again
	failed       context.CancelCauseFunc
	say          func(format string, args ...any)
	log          syncBuffer
	deaths       atomic.Int32
	up           atomic.Bool  // it has answered since it was started
	longest      atomic.Int64 // longest way back, from the start to the first answer
	last         atomic.Int64 // the latest
	ending       atomic.Int32 // the signal that ends it
	quit         context.CancelFunc
	gone         chan struct{}
}

// begin starts it; armed are its failpoints, in the order in which it is to be killed.
func (n *node) begin(binary, armed string) {
	failpoints := append(strings.Fields(armed), "")
	ctx, quit := context.WithCancel(context.Background())
	n.quit, n.gone = quit, make(chan struct{})
	n.ending.Store(int32(syscall.SIGKILL))
	go func() {
		defer close(n.gone)
		runtime.LockOSThread() // Pdeathsig means the thread that started the process, not ours as a whole
		for {
			killed, err := n.run(ctx, binary, failpoints[0])
			mortal := killed && failpoints[0] != "" && failpoints[0] != "tell"
			switch {
			case ctx.Err() != nil:
				return
			case !mortal && !n.mayEnd:
				n.failed(fmt.Errorf("%s ended by itself: %w", n.letter, err))
				return
			}
			n.deaths.Add(1)
			failpoints = failpoints[min(1, len(failpoints)-1):]
		}
	}()
}

// run runs the program until it ends. It dies with the test, also if that is killed.
func (n *node) run(ctx context.Context, binary, failpoint string) (killed bool, err error) {
	cmd := exec.CommandContext(ctx, binary, "serve")
	cmd.Env = append(append(os.Environ(), n.env...), "FLATTRD_FAILPOINT="+failpoint)
	cmd.Stdout, cmd.Stderr = &n.log, &n.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.Signal(n.ending.Load())) }
	n.up.Store(false)
	if err := cmd.Start(); err != nil {
		return false, err
	}
	var watch sync.WaitGroup
	living, ended := context.WithCancel(ctx)
	watch.Go(func() { n.comeBack(living) })
	err = cmd.Wait()
	n.up.Store(false)
	ended()
	watch.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL, err
}

// comeBack measures how long a process takes from its start to its first answer.
func (n *node) comeBack(ctx context.Context) {
	began := time.Now()
	if n.answer(ctx) != nil {
		return
	}
	took := time.Since(began)
	if n.deaths.Load() > 0 { // else that was no way back
		n.last.Store(int64(took))
		n.longest.Store(max(n.longest.Load(), int64(took)))
	}
	n.up.Store(true)
	if n.say != nil && n.deaths.Load() > 0 {
		n.say("%s answers again %v after its start", n.letter, took.Round(time.Millisecond))
	}
}

// answer waits until the instance tells who one of its members is, for which it asks its database.
func (n *node) answer(ctx context.Context) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.at+"/.well-known/webfinger?resource=acct:op@"+n.host, nil)
		if err != nil {
			return err
		}
		r.Host = n.host
		client := http.Client{Timeout: 2 * time.Second}
		if resp, err := client.Do(r); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// passed counts what a process that tells its failpoints has passed.
func (n *node) passed() map[string]int {
	all := map[string]int{}
	for line := range strings.Lines(n.log.String()) {
		if name, ok := strings.CutPrefix(line, "failpoint "); ok {
			all[strings.TrimSpace(name)]++
		}
	}
	return all
}

// end stops the process and waits for it.
func (n *node) end(how syscall.Signal) {
	n.ending.Store(int32(how))
	n.quit()
	<-n.gone
}
