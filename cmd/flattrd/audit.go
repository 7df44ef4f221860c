package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/migrations"
)

// auditCommand proves the books with code of its own: what check does, once more, by somebody else.
type auditCommand struct {
	Name             string            `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	JSON             bool              `name:"json" help:"Print the report as JSON, amounts in micro-units."`
	Keys             map[string]string `name:"key" placeholder:"HOST=MULTIKEY" help:"Believe this accounting key of a host, and not the one in the database. May be given for several hosts."`
	WithoutDocuments bool              `help:"Leave the signed documents out, for a dump without them."`
	Quiet            bool              `short:"q" help:"Tell no progress."`
}

// errFindings: the exit status tells it.
var errFindings = errors.New("the books aren't what the first facts make them")

// Run reads the books in one snapshot. Nothing is written, so a hot standby or a restored dump serves as well.
func (c auditCommand) Run(ctx context.Context, d *Database) error {
	cluster, err := d.join(ctx)
	if err != nil {
		return err
	}
	defer cluster.stop()
	name := c.Name
	if name == "" {
		name = d.single()
	}
	conn, err := cluster.read(ctx, name)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	report, err := c.audit(ctx, conn)
	if err != nil {
		return err
	}
	write := report.WriteText
	if c.JSON {
		write = report.WriteJSON
	}
	if err := write(os.Stdout); err != nil {
		return err
	}
	if n := report.Count(); n > 0 {
		return fmt.Errorf("%w: %d finding(s)", errFindings, n)
	}
	return nil
}

func (c auditCommand) audit(ctx context.Context, conn *pgx.Conn) (*audit.Report, error) {
	if err := migrations.Current(ctx, conn); err != nil {
		return nil, err
	}
	o := audit.Options{Keys: c.Keys, WithoutDocuments: c.WithoutDocuments}
	if !c.Quiet {
		o.Progress = func(n audit.Count, took time.Duration) {
			fmt.Fprintf(os.Stderr, "%12d %s (%.1f s)\n", n.Rows, n.What, took.Seconds())
		}
	}
	return auditOf(ctx, conn, o)
}

// auditOf audits what is there now.
func auditOf(ctx context.Context, on interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}, o audit.Options) (report *audit.Report, err error) {
	err = pgx.BeginTxFunc(ctx, on, audit.Transaction, func(tx pgx.Tx) (err error) {
		report, err = audit.Run(ctx, tx, o)
		return err
	})
	return report, err
}
