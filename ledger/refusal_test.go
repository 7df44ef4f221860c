package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// kind says what an error is to a caller: the field and the rule of bad input, the code of a fault,
// or the sentinel.
func kind(err error) string {
	field, fault := new(ledger.FieldError), new(ledger.ClaimFault)
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &field):
		return field.Error()
	case errors.As(err, &fault):
		return "fault " + fault.Code
	}
	for _, sentinel := range []error{ledger.ErrNotFound, ledger.ErrConflict, ledger.ErrRefused, ledger.ErrClosed, ledger.ErrFunds} {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	return err.Error()
}

// refusal is a call that must be refused, and how.
type refusal struct {
	what string
	err  error
	want string
}

// refuse holds calls against what is wanted, and that they changed nothing.
func refuse(t *testing.T, m *ledgertest.Months, calls func() []refusal) {
	t.Helper()
	before := map[string]string{}
	for host, i := range m.Post {
		i.Outbox.Take(t)
		before[host] = digestOf(t, i)
	}
	all := calls()
	for _, c := range all {
		if got := kind(c.err); got != c.want {
			t.Errorf("%s: %s; want %s", c.what, got, c.want)
		}
	}
	for host, i := range m.Post {
		if digestOf(t, i) != before[host] {
			t.Errorf("%s: something was changed", host)
		}
		if told := i.Outbox.Take(t); len(told) > 0 {
			t.Errorf("%s: something was told: %v", host, told)
		}
	}
	t.Logf("%d refusals", len(all))
}

func second[T any](_ T, err error) error { return err }

func named(t *testing.T, i *ledgertest.Instance, name string) ledger.Member {
	t.Helper()
	m, err := i.MemberByName(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMembersRefusals: joining, inviting, buttons and one's own settings.
func TestMembersRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a := context.Background(), m.A
	alice, gone := named(t, a, "alice"), named(t, a, "gone")
	used, err := a.CreateInvite(ctx, a.Op.ID, "for one", 1)
	if err != nil {
		t.Fatal(err)
	}
	good := ledger.Joining{Code: used.Code, Name: "new", PasswordHash: "x", Language: "de"}
	if _, err := a.Ledger.Join(ctx, good); err != nil {
		t.Fatal(err)
	}
	old, err := a.CreateInvite(ctx, a.Op.ID, "for nobody", 1000)
	if err != nil {
		t.Fatal(err)
	}
	join := func(change func(j *ledger.Joining)) error {
		j := good
		change(&j)
		return second(a.Ledger.Join(ctx, j))
	}
	button := func(owner int64, url, title, summary string) error {
		return second(a.CreateButton(ctx, owner, ledger.NewButton{URL: url, Title: title, Summary: summary}))
	}
	const url, long = "https://blog.example/new", "ä"
	refuse(t, m, func() []refusal {
		all := []refusal{
			{"no name", join(func(j *ledger.Joining) { j.Name = "" }), "name: required"},
			{"capitals", join(func(j *ledger.Joining) { j.Name = "Alice" }), "name: form"},
			{"31 letters", join(func(j *ledger.Joining) { j.Name = strings.Repeat("a", 31) }), "name: form"},
			{"a path", join(func(j *ledger.Joining) { j.Name = "a/b" }), "name: form"},
			{"two lines", join(func(j *ledger.Joining) { j.Name = "ab\n" }), "name: form"},
			{"a word of ours", join(func(j *ledger.Joining) { j.Name = "admin" }), "name: reserved"},
			{"101 letters", join(func(j *ledger.Joining) { j.DisplayName = strings.Repeat(long, 101) }), "display_name: too-long"},
			{"no password", join(func(j *ledger.Joining) { j.PasswordHash = "" }), "password: required"},
			{"another language", join(func(j *ledger.Joining) { j.Language = "fr" }), "language: unknown"},
			{"no code", join(func(j *ledger.Joining) { j.Code = "" }), "code: unknown"},
			{"another code", join(func(j *ledger.Joining) { j.Code = "abc" }), "code: unknown"},
			{"a used code", join(func(j *ledger.Joining) { j.Name = "newer" }), "code: used"},
			{"a name that is taken", join(func(j *ledger.Joining) { j.Code = old.Code }), "name: taken"},
			{"a name that was taken", join(func(j *ledger.Joining) { j.Code, j.Name = old.Code, "gone" }), "name: taken"},
			{"operator's name", second(a.CreateOperator(ctx, ledger.Joining{Name: "op", PasswordHash: "x", Language: "de"})), "name: taken"},
			{"operator's language", second(a.CreateOperator(ctx, ledger.Joining{Name: "op2", PasswordHash: "x"})), "language: unknown"},
			{"no uses", second(a.CreateInvite(ctx, a.Op.ID, "", 0)), "uses: range"},
			{"too many uses", second(a.CreateInvite(ctx, a.Op.ID, "", 1001)), "uses: range"},
			{"a member invites", second(a.CreateInvite(ctx, alice.ID, "", 1)), "refused"},
			{"nobody invites", second(a.CreateInvite(ctx, 999, "", 1)), "not found"},
			{"a member reads the invites", second(a.Invites(ctx, alice.ID)), "refused"},
			{"a code nobody gave", a.InviteGood(ctx, "abc"), "code: unknown"},
			{"a code that is used", a.InviteGood(ctx, used.Code), "code: used"},
			{"to no language", a.SetLanguage(ctx, alice.ID, ""), "language: unknown"},
			{"to a long name", a.SetDisplayName(ctx, alice.ID, strings.Repeat(long, 101)), "display_name: too-long"},
			{"no url", button(alice.ID, "", "t", ""), "url: required"},
			{"no host", button(alice.ID, "/1", "t", ""), "url: form"},
			{"another scheme", button(alice.ID, "ftp://blog.example/1", "t", ""), "url: form"},
			{"a script", button(alice.ID, "javascript:alert(1)", "t", ""), "url: form"},
			{"no url at all", button(alice.ID, "https://%", "t", ""), "url: form"},
			{"a long url", button(alice.ID, url+strings.Repeat("x", 2000), "t", ""), "url: form"},
			{"no title", button(alice.ID, url, "  ", ""), "title: required"},
			{"a long title", button(alice.ID, url, strings.Repeat(long, 201), ""), "title: too-long"},
			{"a long summary", button(alice.ID, url, "t", strings.Repeat(long, 1001)), "summary: too-long"},
			{"nobody's button", button(999, url, "t", ""), "not found"},
			{"a button of one who left", button(gone.ID, url, "t", ""), "not found"},
			{"no such button", second(a.Ledger.Button(ctx, "nosuchbutton")), "not found"},
			{"no such url", second(a.ButtonByURL(ctx, "alice", url)), "not found"},
			{"to take away no button", a.RemoveButton(ctx, alice.ID, "nosuchbutton"), "not found"},
			{"no such member", second(a.Member(ctx, 999)), "not found"},
			{"no such name", second(a.MemberByName(ctx, "nobody")), "not found"},
			{"to leave with money", a.DeleteMember(ctx, alice.ID), "not enough money"},
			{"to leave twice", a.DeleteMember(ctx, gone.ID), "not found"},
			{"to follow nobody", a.Follow(ctx, "nobody", "https://x.example/u/1", "https://x.example/f/1"), "not found"},
			{"to follow one who left", a.Follow(ctx, "gone", "https://x.example/u/1", "https://x.example/f/1"), "not found"},
		}
		_, _, err := a.PasswordHash(ctx, "gone")
		all = append(all, refusal{"the password of one who left", err, "not found"})
		a.Clock.Set(a.Clock.Now().AddDate(0, 0, 30))
		return append(all,
			refusal{"a code after a month", join(func(j *ledger.Joining) { j.Code, j.Name = old.Code, "late" }), "code: expired"},
			refusal{"a good code after a month", a.InviteGood(ctx, " "+strings.ToUpper(old.Code)+" "), "code: expired"})
	})
}

// TestGiversRefusals: deposits, budgets, flattrs and months.
func TestGiversRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a := context.Background(), m.A
	alice, anna, gone := named(t, a, "alice"), named(t, a, "anna"), named(t, a, "gone")
	_, own := a.Button(alice, "1")
	removed, off := a.Button(anna, "off")
	if err := a.RemoveButton(ctx, anna.ID, removed.ID); err != nil {
		t.Fatal(err)
	}
	left, err := a.ThingByIRI(ctx, ledgertest.Collect[string](t, a.Pool, `select iri from thing where payee_name = 'gone' and button is not null`)[0])
	if err != nil {
		t.Fatal(err)
	}
	november, err := a.MyMonth(ctx, alice.ID, "2026-11")
	if err != nil {
		t.Fatal(err)
	}
	click := november.Lines[0].ID
	deposit := func(op int64, name string, amount int64, reference string) error {
		return second(a.RecordDeposit(ctx, op, name, amount, reference))
	}
	reverse := func(op, deposit int64, cause, reason string) error {
		return second(a.ReverseDeposit(ctx, op, deposit, cause, reason))
	}
	reversed, err := a.Reversals(ctx)
	if err != nil {
		t.Fatal(err)
	}
	flattr := func(by, thing int64) error { _, _, err := a.Flattr(ctx, by, thing); return err }
	remote := ledger.RemoteThing{IRI: "https://d.example/buttons/xena/1", URL: "https://x.example/", Title: "x",
		Payee: "https://d.example/users/somebody", PayeeName: "somebody", Host: "d.example"}
	refuse(t, m, func() []refusal {
		return []refusal{
			{"nothing paid in", deposit(a.Op.ID, "alice", 0, "r"), "amount: amount"},
			{"less than nothing", deposit(a.Op.ID, "alice", -10_000, "r"), "amount: amount"},
			{"half a cent", deposit(a.Op.ID, "alice", 5_000, "r"), "amount: amount"},
			{"19 digits", deposit(a.Op.ID, "alice", most+1, "r"), "amount: amount"},
			{"no reference", deposit(a.Op.ID, "alice", 10_000, " "), "reference: required"},
			{"a long reference", deposit(a.Op.ID, "alice", 10_000, strings.Repeat("r", 141)), "reference: too-long"},
			{"a rate of the past", a.SetFeeRate(ctx, a.Op.ID, "2027-01", 1), "period: begun"},
			{"a rate of no month", a.SetFeeRate(ctx, a.Op.ID, "2027-13", 1), "period: form"},
			{"a rate below nothing", a.SetFeeRate(ctx, a.Op.ID, "2027-02", -1), "rate: range"},
			{"a rate above half", a.SetFeeRate(ctx, a.Op.ID, "2027-02", 5001), "rate: range"},
			{"a member's rate", a.SetFeeRate(ctx, alice.ID, "2027-02", 1), "refused"},
			{"a payout of members' money", second(a.RequestPayoutOnce(ctx, a.Op.ID, ledger.OfEarnings, 10_000, "DE75512108001245126199", "k")), "source: unknown"},
			{"a member's payout", second(a.RequestPayoutOnce(ctx, alice.ID, ledger.OfFees, 10_000, "DE75512108001245126199", "k")), "refused"},
			{"a payout of nothing", second(a.RequestPayoutOnce(ctx, a.Op.ID, ledger.OfFees, 0, "DE75512108001245126199", "k")), "amount: amount"},
			{"a payout to nowhere", second(a.RequestPayoutOnce(ctx, a.Op.ID, ledger.OfFees, 10_000, "DE75", "k")), "iban: form"},
			{"more fees than there are", second(a.RequestPayoutOnce(ctx, a.Op.ID, ledger.OfFees, 10_000, "DE75512108001245126199", "k")), "not enough money"},
			{"taken back for nothing", reverse(a.Op.ID, 1, "", "r"), "cause: required"},
			{"taken back by a whim", reverse(a.Op.ID, 1, "whim", "r"), "cause: required"},
			{"taken back without a reason", reverse(a.Op.ID, 1, ledger.Mistake, " "), "reason: required"},
			{"a long reason", reverse(a.Op.ID, 1, ledger.Mistake, strings.Repeat("r", 501)), "reason: too-long"},
			{"a reason that can't be read", reverse(a.Op.ID, 1, ledger.Mistake, "r\u202e"), "reason: form"},
			{"taken back by a member", reverse(alice.ID, 1, ledger.Mistake, "r"), "refused"},
			{"taken back by nobody", reverse(999, 1, ledger.Mistake, "r"), "not found"},
			{"no deposit taken back", reverse(a.Op.ID, 999, ledger.Mistake, "r"), "not found"},
			{"taken back for another reason", reverse(a.Op.ID, reversed[0].Deposit, ledger.Mistake, "r"), "conflict"},
			{"half a cent back", second(a.RequestRefundOnce(ctx, alice.ID, 5_000, "DE75512108001245126199", "k")), "amount: amount"},
			{"to no account back", second(a.RequestRefundOnce(ctx, alice.ID, 10_000, "DE99", "k")), "iban: form"},
			{"more back than is free", second(a.RequestRefundOnce(ctx, alice.ID, most-most%10_000, "DE75512108001245126199", "k")), "not enough money"},
			{"back to one who left", second(a.RequestRefundOnce(ctx, gone.ID, 10_000, "DE75512108001245126199", "k")), "not found"},
			{"for nobody", deposit(a.Op.ID, "nobody", 10_000, "r"), "name: unknown"},
			{"for one who left", deposit(a.Op.ID, "gone", 10_000, "r"), "name: unknown"},
			{"by a member", deposit(alice.ID, "alice", 10_000, "r"), "refused"},
			{"by nobody", deposit(999, "alice", 10_000, "r"), "not found"},
			{"a known reference for more", deposit(a.Op.ID, "alice", 10_000, "to alice@a.example"), "conflict"},
			{"a known reference for another", deposit(a.Op.ID, "anna", 6_000_000, "to alice@a.example"), "conflict"},
			{"a budget below nothing", a.SetBudget(ctx, alice.ID, -10_000), "budget: amount"},
			{"a budget of half a cent", a.SetBudget(ctx, alice.ID, 5_000), "budget: amount"},
			{"a budget of 19 digits", a.SetBudget(ctx, alice.ID, most+1), "budget: amount"},
			{"nobody's budget", a.SetBudget(ctx, 999, 10_000), "not found"},
			{"the budget of one who left", a.SetBudget(ctx, gone.ID, 10_000), "not found"},
			{"one's own thing", flattr(alice.ID, own.ID), "thing: own-thing"},
			{"a thing taken away", flattr(alice.ID, off.ID), "thing: not-accepting"},
			{"a thing of one who left", flattr(alice.ID, left.ID), "thing: not-accepting"},
			{"no thing", flattr(alice.ID, 999), "not found"},
			{"nobody flattrs", flattr(999, own.ID), "not found"},
			{"one who left flattrs", flattr(gone.ID, own.ID), "not found"},
			{"to undo nothing", a.UndoFlattr(ctx, alice.ID, uuid.New()), "not found"},
			{"to undo another's", a.UndoFlattr(ctx, anna.ID, click), "not found"},
			{"to undo in another month", a.UndoFlattr(ctx, alice.ID, click), "month closed"},
			{"a month that never was", second(a.MyMonth(ctx, alice.ID, "2020-01")), "not found"},
			{"nobody's month", second(a.MyMonth(ctx, 999, "")), "not found"},
			{"what no thing would get", second(a.Prospect(ctx, alice.ID, 999)), "not found"},
			{"no thing by id", second(a.Thing(ctx, 999)), "not found"},
			{"no thing by iri", second(a.ThingByIRI(ctx, "https://x.example/")), "not found"},
			{"a thing of our own from elsewhere", second(a.SaveThing(ctx, ledger.RemoteThing{IRI: own.IRI, Host: "a.example"})), "refused"},
			{"a thing of nowhere", second(a.SaveThing(ctx, ledger.RemoteThing{IRI: own.IRI})), "refused"},
			{"a thing that another gets paid for", second(a.SaveThing(ctx, remote)), "conflict"},
			{"to close what isn't over", a.CloseMonth(ctx, "2027-01"), "month closed"},
			{"to close a month that isn't", a.CloseMonth(ctx, "2027-02"), "not found"},
			{"to settle what is open", a.SettleMonth(ctx, "2027-01"), "month closed"},
			{"to settle a month that isn't", a.SettleMonth(ctx, "2027-02"), "not found"},
		}
	})
}

// TestGraceRefusals: a month in grace isn't settled a moment too soon.
func TestGraceRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a := context.Background(), m.A
	a.Clock.Set(ledger.PeriodEnd("2027-01"))
	if err := a.CloseMonth(ctx, "2027-01"); err != nil {
		t.Fatal(err)
	}
	a.Clock.Set(ledger.PeriodEnd("2027-01").Add(24*time.Hour - time.Microsecond))
	refuse(t, m, func() []refusal {
		return []refusal{{"to settle in grace", a.SettleMonth(ctx, "2027-01"), "month closed"},
			{"to close again", a.CloseMonth(ctx, "2027-01"), "done"}}
	})
}

// TestLikesRefusals: Likes, their answers and Undos between instances.
func TestLikesRefusals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx, a := context.Background(), m.A
	like := ledgertest.Collect[string](t, a.Pool, `select id from received_flattr where giver like '%bob' order by id limit 1`)[0]
	known, err := a.LikeAnswer(ctx, like)
	if err != nil {
		t.Fatal(err)
	}
	mine := a.Instance().FlattrIRI(ledgertest.Collect[string](t, a.Pool, `select f.id::text from flattr f join thing t on t.id = f.thing
		where t.payee like 'https://d.example/%' and f.state = 'sent'`)[0])
	receive := func(change func(r *ledger.ReceivedLike)) error {
		r := ledger.ReceivedLike{ID: like, Giver: known.Giver, Host: "b.example", Object: known.Object, Period: known.Period}
		change(&r)
		return a.ReceiveFlattr(ctx, r)
	}
	answer := func(like, host, word string) error {
		return a.FlattrAnswered(ctx, ledger.Verdict{Like: like, Host: host, Actor: "https://" + host + "/actor", Answer: word})
	}
	by := func(actor string) error {
		return a.FlattrAnswered(ctx, ledger.Verdict{Like: mine, Host: "d.example", Actor: actor, Answer: "reject"})
	}
	refuse(t, m, func() []refusal {
		return []refusal{
			{"no month", receive(func(r *ledger.ReceivedLike) { r.Period = "2026-13" }), "period: form"},
			{"another giver", receive(func(r *ledger.ReceivedLike) { r.Giver = "https://b.example/users/bea" }), "conflict"},
			{"another thing", receive(func(r *ledger.ReceivedLike) { r.Object += "x" }), "conflict"},
			{"another month", receive(func(r *ledger.ReceivedLike) { r.Period = "2027-01" }), "conflict"},
			{"from ourselves", receive(func(r *ledger.ReceivedLike) { r.ID, r.Host = "https://a.example/flattrs/1", "a.example" }), "refused"},
			{"another's Like undone", a.ReceiveUndo(ctx, like, "https://b.example/users/bea"), "refused"},
			{"an answer to no Like of ours", answer("https://b.example/flattrs/"+uuid.NewString(), "d.example", "accept"), "not found"},
			{"an answer to an unknown Like", answer(a.Instance().FlattrIRI(uuid.NewString()), "d.example", "accept"), "not found"},
			{"an answer to no id", answer(a.Instance().FlattrIRI("1"), "d.example", "accept"), "not found"},
			{"an id written otherwise", answer(strings.ToUpper(mine), "d.example", "accept"), "not found"},
			{"an answer of another instance", answer(mine, "b.example", "accept"), "refused"},
			{"an answer of another member there", by("https://d.example/users/mallory"), "refused"},
			{"an answer of nobody", by(""), "refused"},
			{"an answer of an instance by another scheme", by("http://d.example/actor"), "refused"},
			{"an answer that is none", answer(mine, "d.example", "perhaps"), "answer: unknown"},
			{"to tell an unknown Like", second(a.OutgoingLike(ctx, uuid.New())), "not found"},
			{"to answer an unknown Like", second(a.LikeAnswer(ctx, "https://b.example/flattrs/1")), "not found"},
		}
	})
}

// TestOpenRefusals: a database belongs to one instance.
func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), ledgertest.DB(t)
	if _, err := ledger.Open(ctx, ledger.Options{Pool: pool}); kind(err) != "not found" {
		t.Errorf("a ledger of no instance: %v", err)
	}
	one := ledger.Instance{Host: "a.example", BaseURL: "https://a.example", Name: "A", Currency: "EUR", Reciprocity: "off", GraceSeconds: 86400}
	for _, c := range []struct {
		change func(i *ledger.Instance)
		want   string
	}{
		{func(*ledger.Instance) {}, "done"},
		{func(*ledger.Instance) {}, "done"},
		{func(i *ledger.Instance) { i.Name = "another name" }, "done"},
		{func(i *ledger.Instance) { i.Host = "b.example" }, "conflict"},
		{func(i *ledger.Instance) { i.BaseURL = "http://a.example" }, "conflict"},
	} {
		i := one
		c.change(&i)
		if got := kind(ledger.Create(ctx, pool, i, ledgertest.Start)); got != c.want {
			t.Errorf("%+v: %s; want %s", i, got, c.want)
		}
	}
	l, err := ledger.Open(ctx, ledger.Options{Pool: pool})
	if err != nil || l.Instance().Name != "another name" {
		t.Errorf("%+v, %v", l.Instance(), err)
	}
	if months, err := l.Months(ctx); err != nil || len(months) != 1 || months[0].Period != "2026-11" {
		t.Errorf("%+v, %v", months, err)
	}
}
