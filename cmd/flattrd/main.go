// Command flattrd runs a Fedflattr instance: members, buttons, flattrs, months and money, and the
// federation with other instances.
//
// This package is wiring only: it reads flags and environment, opens the database, and plugs ledger,
// federation and web together. Nothing else does any of that.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// version is set by release builds (-ldflags "-X main.version=…").
var version = "0.1.0-dev"

// commands is the command line. Every flag is also a variable: FLATTRD_ and its name.
type commands struct {
	Database

	Serve      serveCommand      `cmd:"" help:"Run an instance."`
	Localserve localserveCommand `cmd:"" help:"Run three instances and a blog on this machine, with play money."`
	Demo       demoCommand       `cmd:"" help:"Play one month between three instances and print what became of the money."`
	Migrate    migrateCommand    `cmd:"" help:"Bring the database to this program's schema."`
	Settle     settleCommand     `cmd:"" help:"Close or settle what is due now."`
	Check      checkCommand      `cmd:"" help:"Check every invariant of the books."`
	Admin      adminCommand      `cmd:"" help:"Things an operator does on the machine."`

	Failpoint string `env:"FLATTRD_FAILPOINT" hidden:""`

	LogLevel slog.Level       `env:"FLATTRD_LOG_LEVEL" default:"INFO" help:"Least level logged: DEBUG, INFO, WARN or ERROR."`
	Version  kong.VersionFlag `help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run parses and executes one command line, and returns the exit status.
func run(ctx context.Context, args []string) int {
	var c commands
	parser, err := kong.New(&c, kong.Name("flattrd"), kong.UsageOnError(),
		kong.Description("Flattr as a federated service: a monthly budget, divided equally over what you clicked."),
		kong.Vars{"version": version}, kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "flattrd:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	parser.FatalIfErrorf(err)
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})))
	err = armFailpoint(c.Failpoint)
	if err == nil {
		err = parsed.Run(&c.Database)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "flattrd:", explain(err))
		return 1
	}
	return 0
}

// explain says what a person can do about an error, where we know.
func explain(err error) string {
	var inUse *privatepg.InUseError
	if errors.As(err, &inUse) {
		return err.Error() + "\nOnly one flattrd can run on a data directory. Stop the other, or choose another directory with FLATTRD_DATA."
	}
	return err.Error()
}
