package ledger_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestScripts plays the text tables under testdata/scripts: each line is something that happens or,
// after "=", what must be true ("or" where a tie between ids decides). An accountant can read them; the words are explained in the first.
// Every script ends in the invariant check of each instance.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, file)
		})
	}
}

// scene is a script being played.
type scene struct {
	t         *testing.T
	clock     *ledgertest.Clock
	post      ledgertest.Post
	hosts     []string
	members   map[string]ledger.Member // by handle
	things    map[string]string        // IRI by handle/slug
	deposits  int
	lastError error
}

func play(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &scene{t: t, clock: ledgertest.NewClock(ledgertest.Start), post: ledgertest.Post{},
		members: map[string]ledger.Member{}, things: map[string]string{}}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		said, want, asks := strings.Cut(text, "=")
		got, err := s.line(strings.Fields(said))
		if want = strings.TrimSpace(want); !asks {
			want = got
		}
		if got == "" && err != nil {
			got = "error: " + err.Error()
		}
		if asks && strings.HasPrefix(want, "error") && err != nil && strings.Contains(err.Error(), strings.TrimSpace(want[5:])) {
			continue
		}
		if !slices.Contains(strings.Split(want, " or "), got) || err != nil {
			t.Fatalf("%s:%d: %s\n got %s (%v)\nwant %s", file, n, text, got, err, want)
		}
	}
}

func (s *scene) line(w []string) (string, error) {
	ctx := context.Background()
	switch w[0] {
	case "instance":
		return "", s.instance(w[1], w[2:])
	case "join":
		i := s.at(w[1])
		s.members[w[1]] = i.Join(name(w[1]))
		return "", nil
	case "deposit":
		s.deposits++
		_, err := s.at(w[1]).RecordDeposit(ctx, s.at(w[1]).Op.ID, name(w[1]), s.money(w[2]), fmt.Sprint("ref ", s.deposits))
		return "", err
	case "fee-rate":
		return "", s.post[w[1]].SetFeeRate(ctx, s.post[w[1]].Op.ID, w[2], int32(s.money(w[3])/10_000))
	case "payout":
		_, err := s.post[w[1]].RequestPayoutOnce(ctx, s.post[w[1]].Op.ID, w[2], s.money(w[3]), "DE75512108001245126199", rand.Text())
		return "", err
	case "payout-paid":
		all, err := s.post[w[1]].Withdrawals(ctx)
		if err != nil {
			return "", err
		}
		return "", s.post[w[1]].WithdrawalPaid(ctx, s.post[w[1]].Op.ID, all[0].ID)
	case "given-to-cause":
		v, err := s.at(w[1]).MyMonth(ctx, s.members[w[1]].ID, w[2])
		return ledger.FormatPlain(v.Donated), err
	case "rolled-over":
		v, err := s.at(w[1]).MyMonth(ctx, s.members[w[1]].ID, w[2])
		return ledger.FormatPlain(v.Rolled), err
	case "reverse":
		return s.reverse(w[1], w[2], w[3])
	case "budget":
		return "", s.at(w[1]).SetBudget(ctx, s.members[w[1]].ID, s.money(w[2]))
	case "button":
		i := s.at(w[1])
		_, thing := i.Button(s.members[handle(w[1])], slug(w[1]))
		s.things[w[1]] = thing.IRI
		return "", nil
	case "flattr", "again", "undo":
		return s.click(w)
	case "subscribe", "pause", "resume", "stop":
		return "", s.subscribe(w)
	case "remove":
		b, err := s.at(w[1]).ButtonByURL(ctx, name(w[1]), "https://blog.example/"+name(w[1])+"/"+slug(w[1]))
		if err != nil {
			return "", err
		}
		return "", s.at(w[1]).RemoveButton(ctx, s.members[handle(w[1])].ID, b.ID)
	case "wait-for", "wait-again", "take-back", "payable":
		return "", s.unclaimed(w)
	case "deliver":
		s.post.Deliver(s.t)
		return "", nil
	case "deliver-but":
		s.deliverBut(w[1])
		return "", nil
	case "clock":
		at, err := time.Parse(time.RFC3339, w[1])
		s.clock.Set(at)
		return "", err
	case "tick":
		for _, host := range s.hosts {
			if err := s.post[host].Tick(ctx); err != nil {
				return "", err
			}
		}
		return "", nil
	case "delete":
		return "", s.at(w[1]).DeleteMember(ctx, s.members[w[1]].ID)
	case "leave":
		o := ledger.Leaving{}
		switch {
		case len(w) > 2 && w[2] == "paid":
			o.IBAN = "DE75512108001245126199"
		case len(w) > 2:
			o.Give, o.Cause = true, strings.Join(w[3:], "")
		}
		return "", s.at(w[1]).Leave(ctx, s.members[w[1]].ID, o)
	case "pay-left", "give-left", "left":
		return s.left(w)
	case "pay", "sent", "cancel", "arrived", "missing":
		return s.payment(w)
	case "withdraw", "refund", "paid-out", "refuse":
		return s.withdrawal(w)
	case "limit":
		return "", s.limit(s.post[w[1]], w[2], s.money(w[3]))
	case "propose", "withdraw-split", "consent", "decline", "split", "parts":
		return s.split(w)
	case "restart", "compared", "returned", "reconciled":
		return "", s.restore(w)
	case "threshold":
		return "", s.post[w[1]].SetThreshold(ctx, s.post[w[1]].Op.ID, w[2], s.money(w[3]))
	}
	return s.ask(w)
}

// ask answers a question about the books.
func (s *scene) ask(w []string) (string, error) {
	ctx := context.Background()
	switch w[0] {
	case "means", "earned", "announced", "free-means", "free-earned":
		kind, free := strings.CutPrefix(w[0], "free-")
		b, err := journal.BalanceOf(ctx, s.at(w[1]).Pool, journal.Account{Kind: kind, Owner: s.members[w[1]].ID}, "EUR")
		if free {
			return ledger.FormatPlain(b.Free()), err
		}
		return ledger.FormatPlain(b.Posted), err
	case "owes":
		return s.position(w[1], w[2], func(p ledger.PeerPosition) int64 { return p.Payable })
	case "is-owed":
		return s.position(w[1], w[2], func(p ledger.PeerPosition) int64 { return p.Receivable })
	case "credit":
		return s.position(w[1], w[2], func(p ledger.PeerPosition) int64 { return p.Credit })
	case "bank", "suspense", "loss", "cause", "fee":
		b, err := journal.BalanceOf(ctx, s.post[w[1]].Pool, journal.Account{Kind: w[0]}, "EUR")
		return ledger.FormatPlain(b.Posted), err
	case "given-to":
		e, err := s.at(w[1]).Earned(ctx, s.members[w[1]].ID)
		return ledger.FormatPlain(e.Left), err
	case "refunds":
		var said []string
		all, err := s.at(w[1]).WithdrawalsOf(ctx, s.members[w[1]].ID)
		for _, x := range all {
			said = append(said, fmt.Sprintf("%s %s %s", x.Source, ledger.FormatPlain(x.Amount), x.State))
		}
		return strings.Join(said, ", "), err
	case "fee-of":
		return s.revenue(w[1], w[2], ledger.Revenue.Fee)
	case "net-of":
		return s.revenue(w[1], w[2], ledger.Revenue.Net)
	case "share":
		return s.share(w[1], w[2])
	case "state":
		return s.state(w[1], w[2])
	case "waiting", "what-waits":
		return s.waiting(w)
	case "reserved":
		v, err := s.at(w[1]).MyMonth(ctx, s.members[w[1]].ID, "")
		return ledger.FormatPlain(v.Reserved), err
	case "pledge", "to-pay", "pledged-to", "pledges":
		return s.pledge(w)
	case "subscription":
		v, err := s.subscription(w[1], w[2])
		text := fmt.Sprintf("%s %d", v.State, v.Flattred)
		if left, ends := v.Left(); ends {
			text += fmt.Sprintf(" of %d", v.Flattred+left)
		}
		if errors.Is(err, ledger.ErrNotFound) {
			return "none", nil
		}
		return text, err
	case "count":
		b, err := s.at(w[1]).ButtonByURL(ctx, name(w[1]), "https://blog.example/"+name(w[1])+"/"+slug(w[1]))
		return fmt.Sprint(b.Flattrs), err
	case "claims":
		return s.claims(w[1], w[2])
	case "payments":
		return s.payments(w[1], w[2])
	case "recovery":
		return s.recovery(w[1], w[2])
	case "months":
		var all []string
		months, err := s.post[w[1]].Months(ctx)
		for _, m := range months {
			all = append(all, m.Period+" "+m.State)
		}
		return strings.Join(all, ", "), err
	}
	return "", fmt.Errorf("no such word: %s", w[0])
}

// reverse takes back a member's latest deposit of an amount, and tells how much of it was given already.
func (s *scene) reverse(giver, amount, cause string) (string, error) {
	ctx, i := context.Background(), s.at(giver)
	all, err := i.Deposits(ctx)
	for _, d := range all {
		if d.Name == name(giver) && d.Amount == s.money(amount) {
			v, err := i.ReverseDeposit(ctx, i.Op.ID, d.ID, cause, "as the bank says")
			return ledger.FormatPlain(v.Lost), err
		}
	}
	return "", cmp.Or(err, error(ledger.ErrNotFound))
}

func (s *scene) subscribe(w []string) error {
	ctx, i, giver := context.Background(), s.at(w[1]), s.members[w[1]].ID
	if w[0] == "subscribe" {
		thing, err := s.thing(w[1], w[2])
		if err != nil {
			return err
		}
		months, err := strconv.ParseInt(w[3], 10, 32)
		if err != nil {
			return err
		}
		_, err = i.Subscribe(ctx, giver, thing.ID, int32(months))
		return err
	}
	v, err := s.subscription(w[1], w[2])
	if err != nil {
		return err
	}
	change := map[string]func(context.Context, int64, int64) error{
		"pause": i.PauseSubscription, "resume": i.ResumeSubscription, "stop": i.StopSubscription}[w[0]]
	return change(ctx, giver, v.ID)
}

func (s *scene) subscription(giver, what string) (ledger.SubscriptionView, error) {
	thing, err := s.thing(giver, what)
	if err != nil {
		return ledger.SubscriptionView{}, err
	}
	all, err := s.at(giver).Subscriptions(context.Background(), s.members[giver].ID)
	for _, v := range all {
		if v.Thing == thing.ID {
			return v, err
		}
	}
	return ledger.SubscriptionView{}, cmp.Or(err, error(ledger.ErrNotFound))
}

func (s *scene) instance(host string, options []string) error {
	all := []ledgertest.Option{ledgertest.Host(host), ledgertest.WithClock(s.clock)}
	for _, o := range options {
		key, value, _ := strings.Cut(o, ":")
		switch key {
		case "reciprocity":
			all = append(all, ledgertest.Reciprocity(value))
		case "minimum":
			least := s.money(value)
			all = append(all, ledgertest.Policy(func(i *ledger.Instance) { i.Reciprocity, i.Minimum = ledger.ReciprocityMinimum, least }))
		case "unclaimed-months":
			months, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return err
			}
			all = append(all, ledgertest.Policy(func(i *ledger.Instance) { i.UnclaimedMonths = int32(months) }))
		case "unused":
			all = append(all, ledgertest.Policy(func(i *ledger.Instance) { i.Unused = value }))
		case "funding":
			all = append(all, ledgertest.Policy(func(i *ledger.Instance) { i.Funding = value }))
		default:
			return fmt.Errorf("no such option: %s", o)
		}
	}
	s.post[host] = ledgertest.New(s.t, all...)
	s.hosts = append(s.hosts, host)
	return nil
}

func name(w string) string   { n, _, _ := strings.Cut(w, "@"); return n }
func handle(w string) string { h, _, _ := strings.Cut(w, "/"); return h }
func slug(w string) string   { _, b, _ := strings.Cut(w, "/"); return b }

// at is the instance of a handle.
func (s *scene) at(w string) *ledgertest.Instance {
	_, host, _ := strings.Cut(handle(w), "@")
	if s.post[host] == nil {
		s.t.Fatalf("no instance in %q", w)
	}
	return s.post[host]
}

func (s *scene) money(w string) int64 {
	amount, err := ledger.ParseAmount("amount", w)
	if err != nil {
		s.t.Fatal(err)
	}
	return amount
}

// thing is the thing as the giver's home knows it.
func (s *scene) thing(giver, what string) (ledger.Thing, error) {
	ctx, i := context.Background(), s.at(giver)
	iri := s.things[what]
	_, host, _ := strings.Cut(handle(what), "@")
	if host != i.Instance().Host {
		page, err := ledgertest.Page(ctx, s.post[host], iri)
		if err != nil {
			return ledger.Thing{}, err
		}
		return i.SaveThing(ctx, page)
	}
	return i.ThingByIRI(ctx, iri)
}

func (s *scene) click(w []string) (string, error) {
	ctx, i, giver := context.Background(), s.at(w[1]), s.members[w[1]]
	for _, what := range w[2:] {
		thing, err := s.thing(w[1], what)
		if err != nil {
			return "", err
		}
		f, again, err := i.Flattr(ctx, giver.ID, thing.ID)
		if err == nil && w[0] != "undo" && again != (w[0] == "again") {
			return "", fmt.Errorf("%s: again is %v", what, again)
		}
		if err == nil && w[0] == "undo" {
			err = i.UndoFlattr(ctx, giver.ID, f.ID)
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

func (s *scene) line1(giver, what string) (ledger.MonthLine, error) {
	ctx, i := context.Background(), s.at(giver)
	months, err := i.MyMonths(ctx, s.members[giver].ID)
	if err != nil {
		return ledger.MonthLine{}, err
	}
	for _, m := range months {
		v, err := i.MyMonth(ctx, s.members[giver].ID, m.Period)
		if err != nil {
			return ledger.MonthLine{}, err
		}
		for _, line := range v.Lines {
			if line.IRI == s.things[what] {
				return line, nil
			}
		}
	}
	return ledger.MonthLine{}, ledger.ErrNotFound
}

func (s *scene) share(giver, what string) (string, error) {
	line, err := s.line1(giver, what)
	return ledger.FormatPlain(line.Share), err
}

// limit trusts a peer so far.
func (s *scene) limit(i *ledgertest.Instance, host string, amount int64) error {
	ctx, base := context.Background(), "https://"+host
	_, err := i.PinPeer(ctx, ledger.PeerIdentity{Host: host, Actor: base + "/actor", AccountingKey: "z " + host, AccountingKeyID: base + "/actor#accounting-key"})
	if err == nil {
		err = i.ConfirmPeerKey(ctx, i.Op.ID, host, "z "+host)
	}
	if err == nil {
		err = i.SetAdvanceLimit(ctx, i.Op.ID, host, amount)
	}
	return err
}

func (s *scene) left(w []string) (string, error) {
	ctx, i := context.Background(), s.post[w[1]]
	all, err := i.Left(ctx)
	var said []string
	for _, x := range all {
		said = append(said, x.Name+" "+ledger.FormatPlain(x.Means+x.Earned))
		if err == nil && len(w) > 2 && x.Name == w[2] && w[0] == "pay-left" {
			err = i.PayLeft(ctx, i.Op.ID, x.Member, "DE75512108001245126199")
		} else if err == nil && len(w) > 2 && x.Name == w[2] {
			err = i.GiveLeft(ctx, i.Op.ID, x.Member)
		}
	}
	return strings.Join(said, ", "), err
}

func (s *scene) revenue(payee, month string, f func(ledger.Revenue) int64) (text string, err error) {
	err = s.at(payee).Revenue(context.Background(), s.members[payee].ID, month, 1, func(r ledger.Revenue) error {
		text = ledger.FormatPlain(f(r))
		return nil
	}, func(ledger.RevenueThing) error { return nil })
	return text, err
}

func (s *scene) state(giver, what string) (string, error) {
	line, err := s.line1(giver, what)
	state := line.State
	if line.Reason != nil {
		state += " " + *line.Reason
	}
	return state, err
}

func (s *scene) position(host, peer string, f func(ledger.PeerPosition) int64) (string, error) {
	all, err := s.post[host].PeerPositions(context.Background())
	for _, p := range all {
		if p.Host == peer {
			return ledger.FormatPlain(f(p)), err
		}
	}
	return "0.00", err
}

func (s *scene) claims(host, peer string) (string, error) {
	all, err := s.post[host].Claims(context.Background())
	var said []string
	for _, c := range all {
		if c.Host == peer {
			said = append(said, fmt.Sprintf("%s %s/%d %s %s", c.Direction, c.Period, c.N, ledger.FormatPlain(c.Amount), c.State))
		}
	}
	return strings.Join(said, ", "), err
}

func (s *scene) payment(w []string) (string, error) {
	ctx, i := context.Background(), s.post[w[1]]
	if w[0] == "pay" {
		y, err := i.PreparePayment(ctx, i.Op.ID, w[2])
		return ledger.FormatPlain(y.Amount), err
	}
	all, err := i.Payments(ctx)
	if err != nil {
		return "", err
	}
	for _, y := range all {
		if y.Host != w[2] {
			continue
		}
		switch w[0] {
		case "sent":
			return "", i.PaymentSent(ctx, i.Op.ID, y.ID)
		case "cancel":
			return "", i.PaymentCancelled(ctx, i.Op.ID, y.ID)
		case "arrived":
			return "", i.ConfirmPayment(ctx, i.Op.ID, y.ID, s.money(w[3]))
		case "missing":
			return "", i.PaymentNotReceived(ctx, i.Op.ID, y.ID)
		}
	}
	return "", ledger.ErrNotFound
}

func (s *scene) withdrawal(w []string) (string, error) {
	ctx, i, by := context.Background(), s.at(w[1]), s.members[w[1]]
	if w[0] == "refund" {
		_, err := i.RequestRefundOnce(ctx, by.ID, s.money(w[2]), "DE75512108001245126199", rand.Text())
		return "", err
	}
	if w[0] == "withdraw" {
		_, err := i.RequestWithdrawal(ctx, by.ID, s.money(w[2]), "DE75512108001245126199")
		return "", err
	}
	all, err := i.WithdrawalsOf(ctx, by.ID)
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("withdrawals: %v, %w", all, err)
	}
	if w[0] == "paid-out" {
		return "", i.WithdrawalPaid(ctx, i.Op.ID, all[0].ID)
	}
	return "", i.WithdrawalRefused(ctx, i.Op.ID, all[0].ID)
}
