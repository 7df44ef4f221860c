package ledgertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

func cents(n int64) int64 { return n * 10_000 }

// offer sends b.example a claim of d.example; supersedes 0 is none.
func (m *Months) offer(period string, n, supersedes int32, lines map[string]int64) {
	m.t.Helper()
	o, err := StrangersOffer(stranger, "b.example", period, n, lines)
	m.must(err)
	if supersedes != 0 {
		o.Supersedes = fmt.Sprintf("https://%s/claims/%s/b.example/EUR/%d", stranger, period, supersedes)
	}
	m.must(m.B.ReceiveClaim(context.Background(), o))
}

func (m *Months) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// StrangersOffer is a claim written by hand, of lines by payee.
func StrangersOffer(from, to, period string, n int32, lines map[string]int64) (ledger.ClaimOffer, error) {
	o := ledger.ClaimOffer{IRI: fmt.Sprintf("https://%s/claims/%s/%s/EUR/%d", from, period, to, n), Host: from,
		Period: period, Currency: "EUR", N: n, LineCount: int32(len(lines))}
	for _, payee := range slices.Sorted(maps.Keys(lines)) {
		o.Amount += lines[payee]
		o.Lines = append(o.Lines, ledger.Line{Payee: payee, Amount: lines[payee],
			Things: []ledger.LineThing{{Object: payee + "/thing", Flattrs: 3, Amount: lines[payee]}}})
	}
	var err error
	o.Digest, err = ledger.LinesDigest(o.Lines)
	o.Content = o.Digest + o.IRI
	return o, err
}

// at is the instance of a handle.
func (m *Months) at(handle string) *Instance {
	_, host, _ := strings.Cut(handle, "@")
	return m.Post[host]
}

func (m *Months) fund(handle string, deposit, budget int64) {
	m.t.Helper()
	i, by := m.at(handle), m.members[handle]
	_, err := i.RecordDeposit(context.Background(), i.Op.ID, by.Name, cents(deposit), "to "+handle)
	m.must(err)
	m.budget(handle, budget)
}

func (m *Months) budget(handle string, budget int64) {
	m.t.Helper()
	m.must(m.at(handle).SetBudget(context.Background(), m.members[handle].ID, cents(budget)))
}

// flattr clicks; the giver's home learns what it doesn't know of the thing.
func (m *Months) flattr(giver string, things ...string) {
	m.t.Helper()
	for _, what := range things {
		thing, err := m.thing(giver, what)
		m.must(err)
		_, _, err = m.at(giver).Flattr(context.Background(), m.members[giver].ID, thing.ID)
		m.must(err)
	}
}

// undo clicks and takes it back.
func (m *Months) undo(giver, what string) {
	m.t.Helper()
	ctx := context.Background()
	thing, err := m.thing(giver, what)
	m.must(err)
	f, _, err := m.at(giver).Flattr(ctx, m.members[giver].ID, thing.ID)
	m.must(err)
	m.must(m.at(giver).UndoFlattr(ctx, m.members[giver].ID, f.ID))
}

func (m *Months) thing(giver, what string) (ledger.Thing, error) {
	handle, slug, _ := strings.Cut(what, "/")
	name, host, _ := strings.Cut(handle, "@")
	i := m.at(giver)
	if host == i.Instance().Host {
		return i.ThingByIRI(context.Background(), m.things[what])
	}
	return i.SaveThing(context.Background(), ledger.RemoteThing{IRI: m.things[what], URL: "https://blog.example/" + name + "/" + slug,
		Title: slug, Payee: "https://" + host + "/users/" + name, PayeeName: name, Host: host})
}

func (m *Months) leave(handle string) {
	m.t.Helper()
	m.must(m.at(handle).DeleteMember(context.Background(), m.members[handle].ID))
}

// startAt lets the ids of rows to come start at first.
func (m *Months) startAt(i *Instance, first int64) {
	m.t.Helper()
	if first == 0 {
		return
	}
	_, err := i.Pool.Exec(context.Background(), fmt.Sprintf(`do $$ declare c record; begin
		for c in select table_name, column_name from information_schema.columns
		  where table_schema = 'public' and is_identity = 'YES' and table_name !~ '^(river|goose|test)_' loop
		  execute format('alter table %%I alter column %%I restart with %[1]d', c.table_name, c.column_name);
		end loop;
		perform setval('transfer_id', %[1]d); end $$`, first))
	m.must(err)
}

// tick turns the clock and lets every instance do what is due.
func (m *Months) tick(at time.Time) {
	m.t.Helper()
	m.Clock.Set(at)
	for _, host := range m.hosts {
		m.must(m.Post[host].Tick(context.Background()))
	}
}

func (m *Months) turn(at time.Time) {
	m.t.Helper()
	m.tick(at)
	m.deliver()
}

// deliver carries what the instances within reach tell each other until they are quiet; what they
// tell others is lost.
func (m *Months) deliver() {
	m.t.Helper()
	reached := Post{}
	for _, host := range m.hosts {
		reached[host] = m.Post[host]
	}
	for quiet := false; !quiet; {
		quiet = true
		for _, host := range m.hosts {
			for _, said := range reached[host].Outbox.Take(m.t) {
				if reached[hostOf(said.To)] != nil {
					quiet = false
					m.must(reached.Carry(reached[host], said))
				}
			}
		}
	}
}

// order prepares a payment of all that is owed.
func (m *Months) order(from *Instance, to string) ledger.Payment {
	m.t.Helper()
	y, err := from.PreparePayment(context.Background(), from.Op.ID, to)
	m.must(err)
	return y
}

// pay orders and sends a payment and returns it as its receiver knows it.
func (m *Months) pay(from, to *Instance) ledger.Payment {
	m.t.Helper()
	y := m.order(from, to.Instance().Host)
	m.must(from.PaymentSent(context.Background(), from.Op.ID, y.ID))
	m.deliver()
	d, err := to.PaymentDocument(context.Background(), y.IRI)
	m.must(err)
	return d.Payment
}

// hostOf is the host of an actor or a host itself.
func hostOf(recipient string) string {
	rest, _ := strings.CutPrefix(recipient, "https://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
