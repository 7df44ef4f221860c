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
	Evidence   evidenceCommand   `cmd:"" help:"The signed documents about money: list, show, verify."`
	Key        keyCommand        `cmd:"" help:"This instance's accounting key: list, rotate."`
	Backup     backupCommand     `cmd:"" help:"Write the whole database to a file, while the instance goes on."`
	Restore    restoreCommand    `cmd:"" help:"Make a database from a backup, and check its books."`
	Statement  statementCommand  `cmd:"" help:"Write a member's or the instance's month as CSV or JSON."`
	Export     exportCommand     `cmd:"" help:"Write the books for other programs."`
	Audit      auditCommand      `cmd:"" help:"Prove the books from first facts, with code that shares nothing with the ledger. Reads only; a replica or a restored dump serves as well."`
	Bench      benchCommand      `cmd:"" help:"Measure against limits taken in the same run."`
	Simulate   simulateCommand   `cmd:"" help:"Run the protocol between instances in worlds that fail and lie, one from each seed."`
	Admin      adminCommand      `cmd:"" help:"Things an operator does on the machine."`

	Failpoint string `env:"FLATTRD_FAILPOINT" hidden:""`

	LogLevel *slog.Level      `env:"FLATTRD_LOG_LEVEL" placeholder:"LEVEL" help:"Least level logged: DEBUG, INFO, WARN or ERROR. Default: INFO for serve, WARN for the others."`
	Version  kong.VersionFlag `help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run parses and executes one command line, and returns the exit status: 1 if the command failed, 2 if
// the line is no command, 130 if a signal cut it short.
func run(ctx context.Context, args []string) int {
	var c commands
	parser, err := kong.New(&c, kong.Name("flattrd"),
		kong.Description("Flattr as a federated service: a monthly budget, divided equally over what you clicked."),
		kong.Vars{"version": version}, kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "flattrd:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return misused(parser, err)
	}
	command := parsed.Command()
	slog.SetDefault(slog.New(logHandler(os.Stderr, c.level(command))))
	err = armFailpoint(c.Failpoint)
	if err == nil {
		err = parsed.Run(&c.Database)
	}
	switch {
	case err == nil:
		return 0
	case ctx.Err() == nil || !errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "flattrd:", explain(err))
		return 1
	case command == "serve" || command == "localserve":
		return 0 // told to stop while it was starting
	}
	fmt.Fprintln(os.Stderr, "flattrd: interrupted")
	return 130
}

// misused says what is wrong with a command line, on standard error alone: who reads the output of a
// script that is wrong must not take a help text for it.
func misused(parser *kong.Kong, err error) int {
	fmt.Fprintln(os.Stderr, "flattrd:", err)
	parser.Stdout = os.Stderr
	if wrong := new(kong.ParseError); errors.As(err, &wrong) {
		_ = kong.DefaultShortHelpPrinter(kong.HelpOptions{}, wrong.Context)
	}
	return 2
}

// level: a person who types a command wants its answer, an operator wants to see what serve does.
func (c *commands) level(command string) slog.Level {
	switch {
	case c.LogLevel != nil:
		return *c.LogLevel
	case command == "serve":
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// logHandler writes JSON, which machines read, and plain lines where a person looks at a terminal.
func logHandler(to *os.File, least slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: least}
	if info, err := to.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return slog.NewTextHandler(to, options)
	}
	return slog.NewJSONHandler(to, options)
}

// explain says what a person can do about an error, where we know.
func explain(err error) string {
	var inUse *privatepg.InUseError
	if errors.As(err, &inUse) {
		return err.Error() + "\nOne flattrd runs on a data directory at a time; FLATTRD_DATA chooses the directory."
	}
	return err.Error()
}
