package privatepg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// InUseError says that a cluster is run by another process.
type InUseError struct {
	Dir string
	PID int // of the holder; 0 if it couldn't be learned
}

func (e *InUseError) Error() string {
	holder := "another process"
	if e.PID != 0 {
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("the database in %s is in use by %s: stop it first, or choose another data directory", e.Dir, holder)
}

// lock is a held DIR/lock. The kernel frees a flock with the process that holds it, so a killed holder leaves none
// behind; and Go opens files close-on-exec, so the server doesn't inherit it.
type lock struct{ file *os.File }

// acquire takes the directory's lock. Error: *InUseError.
func acquire(dir string) (*lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL directory: %w", err)
	}
	err = lockSoon(file)
	if err == nil {
		err = writeHolder(file)
	}
	if err == nil {
		return &lock{file}, nil
	}
	defer file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, &InUseError{Dir: dir, PID: readHolder(file)}
	}
	return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
}

// lockSoon waits a moment for a holder that is just ending, and for its children: each has the lock, too, from its fork
// until it runs another program.
func lockSoon(file *os.File) (err error) {
	for range 50 {
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readHolder reads who holds the lock. The holder writes its id right after it got the lock, so for a moment the file
// is empty or names the holder before it, which is dead; then it is read again.
func readHolder(file *os.File) int {
	for range 20 {
		text, _ := io.ReadAll(io.NewSectionReader(file, 0, 32))
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		if pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return pid
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0
}

// release gives the directory free for the next process. The file stays: removing a locked file would let two
// processes hold two files of one name.
func (l *lock) release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close()
}
