package ledgertest

import (
	"context"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// promising is the instance whose budgets are pledges. It plays by a clock of its own until March, as long as it takes
// until what isn't paid is void. Of the others it knows only d.example.
const promising = "g.example"

// pledges plays it: of November's pledgers ann pays in time, lea late, ned never, ida has flattred nothing and gus leaves.
// What lea gave to xena is refused. December's is settled once, and what ned promised for it is still open.
func (m *Months) pledges(o MonthOptions) {
	clock := NewClock(Start.Add(o.Late))
	m.Post[promising] = New(m.t, Host(promising), WithClock(clock), Policy(func(i *ledger.Instance) { i.Funding = ledger.FundingPledge }))
	m.startAt(m.Post[promising], o.FirstID)
	p := &promises{Months: m, i: m.Post[promising], clock: clock, late: o.Late}
	p.begin(o.Uneven)
	p.turn(2026, 12, 1)
	p.pay("ann", 300)
	p.pay("lea", 40)
	p.flattr("ann", "pip@g.example/1", "zoe@d.example/1")
	p.flattr("ned", "pip@g.example/1")
	p.turn(2026, 12, 3)
	m.must(p.i.Leave(context.Background(), m.members["gus@g.example"].ID, ledger.Leaving{Give: true}))
	p.turn(2026, 12, 15)
	p.answer("2026-11", 1)
	p.turn(2027, 1, 1)
	p.pay("lea", 60)
	p.turn(2027, 1, 15)
	p.answer("2026-11", 2, ledger.Refusal{Payee: "https://" + stranger + "/users/xena", Reason: "blocked"})
	p.turn(2027, 2, 15)
	p.turn(2027, 3, 15)
	p.flattr("ann", "pip@g.example/1")
}

type promises struct {
	*Months
	i     *Instance
	clock *Clock
	late  time.Duration
}

func (p *promises) begin(uneven bool) {
	for _, giver := range []struct {
		name   string
		budget int64
	}{{"ann", 120}, {"lea", 100}, {"ned", 50}, {"ida", 70}, {"gus", 30}, {"pip", 0}} {
		p.members[giver.name+"@"+promising] = p.i.Join(giver.name)
		p.budget(giver.name+"@"+promising, giver.budget)
	}
	if uneven {
		p.budget("ann@"+promising, 122)
	}
	_, made := p.i.Button(p.members["pip@"+promising], "1")
	p.things["pip@"+promising+"/1"] = made.IRI
	p.must(p.i.SetFeeRate(context.Background(), p.i.Op.ID, "2026-12", 500))
	p.flattr("ann", "pip@g.example/1", "xena@d.example/1", "yuri@d.example/1")
	p.flattr("lea", "pip@g.example/1", "xena@d.example/1")
	p.flattr("ned", "pip@g.example/1")
	p.flattr("gus", "pip@g.example/1")
}

// flattr clicks, and d.example accepts.
func (p *promises) flattr(name string, things ...string) {
	p.t.Helper()
	ctx := context.Background()
	p.Months.flattr(name+"@"+promising, things...)
	v, err := p.i.MyMonth(ctx, p.members[name+"@"+promising].ID, "")
	p.must(err)
	for _, line := range v.Lines {
		if line.State == ledger.Sent {
			p.must(p.i.FlattrAnswered(ctx, ledger.Verdict{Like: p.i.Instance().FlattrIRI(line.ID.String()),
				Host: stranger, Actor: "https://" + stranger + "/actor", Answer: "accept"}))
		}
	}
}

func (p *promises) pay(name string, amount int64) {
	p.t.Helper()
	_, err := p.i.RecordDeposit(context.Background(), p.i.Op.ID, name, cents(amount), "to "+name+" on "+p.clock.Now().Format(time.DateOnly))
	p.must(err)
}

func (p *promises) turn(year int, month time.Month, day int) {
	p.t.Helper()
	p.clock.Set(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Add(p.late))
	p.must(p.i.Tick(context.Background()))
}

// answer lets d.example accept a claim, or refuse lines of it.
func (p *promises) answer(period string, n int32, refused ...ledger.Refusal) {
	p.t.Helper()
	p.must(p.i.ClaimAnswered(context.Background(), ledger.ClaimAnswer{Host: stranger, Accepted: len(refused) == 0,
		IRI: p.i.Instance().ClaimIRI(stranger, period, "EUR", n), Refusals: refused}))
}
