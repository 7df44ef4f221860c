package main

import (
	"os"
	"strings"
	"sync"
	"time"
)

// turnedClock is the machine's clock moved on by an offset that a file keeps, so that a test
// instance stays in its month across restarts and several processes agree.
type turnedClock struct {
	file string
	mu   sync.Mutex
	off  time.Duration
	read time.Time
}

// Now is the turned time. The file is read again ten times a second at most.
func (c *turnedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.read) > 100*time.Millisecond {
		c.read = now
		if text, err := os.ReadFile(c.file); err == nil {
			if off, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
				c.off = off
			}
		}
	}
	return now.Add(c.off)
}

// Turn moves the clock on; it never goes back.
func (c *turnedClock) Turn(by time.Duration) error {
	c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += max(by, 0)
	return os.WriteFile(c.file, []byte(c.off.String()+"\n"), 0o600)
}
