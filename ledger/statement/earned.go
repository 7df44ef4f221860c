package statement

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// Revenue is a payee's month, by thing. It never names a giver. ErrNotFound as of Given.
func Revenue(l *ledger.Ledger, m ledger.Member, period, format string) (Document, error) {
	r := revenue{l, m, period}
	return ofMonth(period, format, "revenue-"+period+"-"+m.Name, map[string]writer{CSV: r.csv, Classic: r.classic, JSON: r.json})
}

type revenue struct {
	ledger *ledger.Ledger
	member ledger.Member
	period string
}

// csv has a row per thing and instance, and one for the amounts of an instance that aren't told by thing:
// the amounts add up to the month's revenue, the flattrs to its flattrs. What was kept as a fee follows, below zero.
func (r revenue) csv(ctx context.Context, to io.Writer) error {
	code := r.ledger.Instance().Currency
	var t *table
	var month string
	var sources []ledger.EarnedFrom
	begin := func(v ledger.Revenue) error {
		month, sources = v.Period, v.Sources
		t = newCSV(to, "month", "instance", "kind", "thing", "url", "title", "flattrs", "amount", "state", "currency")
		return nil
	}
	err := r.ledger.Revenue(ctx, r.member.ID, r.period, 0, begin, func(x ledger.RevenueThing) error {
		return t.add(month, text(x.Host), kindOf(x), text(x.Object), text(x.URL), text(x.Title),
			strconv.FormatInt(x.Flattrs, 10), maybe(x.Amount), x.State, code)
	})
	if err != nil {
		return err
	}
	for _, s := range sources {
		if s.Fee == 0 {
			continue
		}
		if err := t.add(month, text(s.Host), "fee", "", "", "", "0", decimal(-s.Fee), s.State, code); err != nil {
			return err
		}
	}
	return t.end()
}

// kindOf tells things from the amounts that follow together.
func kindOf(x ledger.RevenueThing) string {
	if x.Rest {
		return "rest"
	}
	return "thing"
}

// classic is the file that the first Flattr offered under "Monthly revenue": semicolons, decimal commas,
// what got most first, and no currency. Amounts have every digit they need, where the old ones were rounded
// to cents.
func (r revenue) classic(ctx context.Context, to io.Writer) error {
	t := newTable(to, ';', []string{"period", "id", "flattr url", "url", "title", "clicks", "revenue", "clicks total"})
	base := r.ledger.Instance().BaseURL + "/f/"
	err := r.ledger.RevenueClassic(ctx, r.member.ID, r.period, func(x ledger.RevenueThing) error {
		page := text(x.Object)
		if x.Button != "" {
			page = base + x.Button
		}
		revenue := ""
		if x.Amount != nil {
			revenue = strings.Replace(ledger.FormatPlain(*x.Amount), ".", ",", 1)
		}
		return t.add(r.period, x.Button, page, text(x.URL), text(x.Title), strconv.FormatInt(x.Flattrs, 10), revenue,
			strconv.FormatInt(x.Total, 10))
	})
	if err != nil {
		return err
	}
	return t.end()
}

type revenueJSON struct {
	head
	Flattrs   int64        `json:"flattrs"`  // that have an amount
	Pledged   int64        `json:"pledged"`  // flattrs that have none yet
	Promised  amount       `json:"promised"` // about what members here have promised for it and not paid: no money yet
	Amount    amount       `json:"amount"`
	Announced amount       `json:"announced"`
	Available amount       `json:"available"`
	Lost      amount       `json:"lost"` // written off
	Fee       amount       `json:"fee"`  // of available; net is the rest
	Net       amount       `json:"net"`
	Withdrawn amount       `json:"withdrawn"` // within the month
	Sources   []sourceJSON `json:"sources"`
}

type sourceJSON struct {
	Month     string `json:"month"`
	Instance  string `json:"instance"`
	Flattrs   int64  `json:"flattrs"`
	Amount    amount `json:"amount"`
	Announced amount `json:"announced"`
	Available amount `json:"available"`
	Lost      amount `json:"lost"`
	Fee       amount `json:"fee"`
	Net       amount `json:"net"`
	State     string `json:"state"`
}

type thingJSON struct {
	Instance string  `json:"instance"`
	Kind     string  `json:"kind"` // thing | rest
	Thing    string  `json:"thing"`
	URL      string  `json:"url"`
	Title    string  `json:"title"`
	Flattrs  int64   `json:"flattrs"`
	Amount   *amount `json:"amount"` // null: not told by thing, or none yet
	State    string  `json:"state"`
}

func (r revenue) json(ctx context.Context, to io.Writer) error {
	l := lists{to: to}
	begin := func(v ledger.Revenue) error {
		return errors.Join(l.begin(revenueJSON{headOf(r.ledger.Instance(), "Revenue", r.member.Name, v.Month), v.Flattrs(), v.Pledged, amount(v.PledgedAmount),
			amount(v.Amount()), amount(v.Announced()), amount(v.Available()), amount(v.Lost()), amount(v.Fee()), amount(v.Net()), amount(v.Withdrawn), sourcesOf(v.Sources)}), l.open("things"))
	}
	err := r.ledger.Revenue(ctx, r.member.ID, r.period, 0, begin, func(x ledger.RevenueThing) error {
		return l.add(thingJSON{x.Host, kindOf(x), x.Object, x.URL, x.Title, x.Flattrs, optional(x.Amount), x.State})
	})
	if err != nil {
		return err
	}
	return errors.Join(l.close(), l.end())
}

func sourcesOf(all []ledger.EarnedFrom) []sourceJSON {
	sources := make([]sourceJSON, len(all))
	for i, s := range all {
		sources[i] = sourceJSON{s.Period, s.Host, s.Flattrs, amount(s.Amount), amount(s.Announced()), amount(s.Available), amount(s.Lost), amount(s.Fee), amount(s.Net()), s.State}
	}
	return sources
}

// Earned is everything that a payee was given, by month and instance. ErrNotFound: no such format.
func Earned(l *ledger.Ledger, m ledger.Member, format string) (Document, error) {
	e := earned{l, m}
	return in(format, "earned-"+m.Name, map[string]writer{CSV: e.csv, JSON: e.json})
}

type earned struct {
	ledger *ledger.Ledger
	member ledger.Member
}

func (e earned) csv(ctx context.Context, to io.Writer) error {
	v, err := e.ledger.Earned(ctx, e.member.ID)
	if err != nil {
		return err
	}
	t := newCSV(to, "month", "instance", "flattrs", "amount", "announced", "available", "lost", "state", "currency", "fee", "net")
	for _, s := range v.Sources {
		if err := t.add(s.Period, text(s.Host), strconv.FormatInt(s.Flattrs, 10), decimal(s.Amount), decimal(s.Announced()),
			decimal(s.Available), decimal(s.Lost), s.State, e.ledger.Instance().Currency, decimal(s.Fee), decimal(s.Net())); err != nil {
			return err
		}
	}
	return t.end()
}

type earnedJSON struct {
	head
	Pledged   int64        `json:"pledged"`
	Announced amount       `json:"announced"`
	Available amount       `json:"available"`
	Lost      amount       `json:"lost"`
	Fee       amount       `json:"fee"` // kept so far; available is without it
	Requested amount       `json:"requested"`
	Withdrawn amount       `json:"withdrawn"`
	Left      amount       `json:"left"` // what members who left gave as their cause
	Sources   []sourceJSON `json:"sources"`
}

func (e earned) json(ctx context.Context, to io.Writer) error {
	v, err := e.ledger.Earned(ctx, e.member.ID)
	if err != nil {
		return err
	}
	return writeJSON(to, earnedJSON{headOf(e.ledger.Instance(), "Earned", e.member.Name, ledger.Month{}), v.Pledged, amount(v.Announced),
		amount(v.Available), amount(v.Lost), amount(v.Fee()), amount(v.Requested), amount(v.Withdrawn), amount(v.Left), sourcesOf(v.Sources)})
}
