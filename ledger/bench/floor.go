package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// floor copies the settled month's lines, taken out before, into an empty table and builds its index.
func floor(ctx context.Context, pool *pgxpool.Pool) (copied, indexed float64, err error) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig.Copy())
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// As much memory as the settlement's own index gets. Both are on the disk when they are done.
	if _, err := conn.Exec(ctx, `set maintenance_work_mem = '256MB'`); err != nil {
		return 0, 0, err
	}
	lines, err := os.CreateTemp("", "flattrd-bench-*")
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(lines.Name())
	defer lines.Close()
	if _, err := conn.PgConn().CopyTo(ctx, lines, `copy (select period, giver, thing, amount from share where period = '`+period+`') to stdout (format binary)`); err != nil {
		return 0, 0, err
	}
	if _, err := lines.Seek(0, io.SeekStart); err != nil {
		return 0, 0, err
	}
	if _, err := conn.Exec(ctx, `create table bench_floor (like share including constraints)`); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if _, err := conn.PgConn().CopyFrom(ctx, lines, `copy bench_floor (period, giver, thing, amount) from stdin (format binary)`); err != nil {
		return 0, 0, err
	}
	copied = time.Since(start).Seconds()
	start = time.Now()
	if _, err := conn.Exec(ctx, `alter table bench_floor add primary key (giver, thing, period)`); err != nil {
		return 0, 0, err
	}
	indexed = time.Since(start).Seconds()
	_, err = conn.Exec(ctx, `drop table bench_floor`)
	return copied, indexed, err
}

// watchMemory tells afterwards how much of the machine's memory this process held at most: its resident set
// where Linux tells, else what the Go runtime took.
func watchMemory() func() float64 {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // begin a new peak
	return func() float64 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return float64(m.Sys) / (1 << 20)
		}
		for line := range strings.Lines(string(status)) {
			if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				n, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 64)
				return n / 1024
			}
		}
		return 0
	}
}

// Name is a database for one run.
func Name(run int) string { return fmt.Sprintf("flattrd_bench_%d", run) }
