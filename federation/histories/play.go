package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/ledger"
)

// stage is a world in which a plan is played.
type stage struct {
	*federationtest.World
	t       testing.TB
	fan     *federationtest.Stranger
	members map[string]ledger.Member // by handle
	things  map[string]string        // IRI by handle/number

	restored bool // an instance stands on a backup
}

// setStage makes the cast of a plan.
func setStage(t testing.TB, p plan, weather federationtest.Weather, options ...func(*ledger.Options)) *stage {
	t.Helper()
	s := &stage{t: t, members: map[string]ledger.Member{}, things: map[string]string{}}
	s.World = federationtest.New(t, weather,
		federationtest.Host{Name: "a", Reciprocity: p.policies["a"], Options: options},
		federationtest.Host{Name: "b", Reciprocity: p.policies["b"], Options: options},
		federationtest.Host{Name: "c", Reciprocity: p.policies["c"], Options: options})
	s.fan = s.Stranger("fan")
	for _, who := range p.people {
		m := s.Member(who.host, who.name)
		s.members[who.handle()] = m
		for n := range who.buttons {
			s.button(who.handle(), strconv.Itoa(n+1))
		}
	}
	return s
}

func (s *stage) button(handle, slug string) {
	b := s.Button(s.of(handle).Name, s.members[handle], slug)
	s.things[handle+"/"+slug] = s.of(handle).Ledger.Instance().ButtonIRI(b.ID)
}

// of is the instance of a handle or host.
func (s *stage) of(handle string) *federationtest.Instance {
	return s.At(handle[strings.LastIndexByte(handle, '@')+1:])
}

// play does the steps of a plan in order; what each came to is part of the history. In rough weather
// the instances' clockworks are late.
func (s *stage) play(p plan, rough bool) []string {
	late := rand.New(rand.NewPCG(p.seed, 0x6c617465))
	var said []string
	for _, st := range p.steps {
		at := st.at
		if st.op == "tick" && rough {
			at = at.Add(time.Duration(late.Int64N(int64(30 * time.Minute))))
		}
		s.Turn(at)
		result := s.step(st)
		said = append(said, fmt.Sprintf("%s: %s", st, result))
	}
	s.Quiet()
	return said
}

func (s *stage) step(st step) string {
	s.t.Helper()
	if st.op == "lull" {
		s.Quiet()
		return "quiet"
	}
	result, err := s.act(context.Background(), st)
	if err != nil && !errors.Is(err, ledger.ErrRefused) && !errors.Is(err, ledger.ErrNotFound) &&
		!errors.Is(err, ledger.ErrFunds) && !errors.Is(err, federation.ErrUnreachable) {
		s.t.Errorf("%s: %v", st, err)
	}
	if err != nil {
		result = err.Error()
	}
	s.Network.Sent(s.of(st.who))
	return result
}

func (s *stage) act(ctx context.Context, st step) (string, error) {
	i, by := s.of(st.who), s.members[st.who]
	switch st.op {
	case "tick":
		return "", i.Tick(ctx)
	case "deposit":
		_, err := i.RecordDeposit(ctx, i.Op.ID, by.Name, st.n*10_000, st.String())
		return "", err
	case "budget":
		return "", i.SetBudget(ctx, by.ID, st.n*10_000)
	case "raise":
		m, err := i.Ledger.Member(ctx, by.ID)
		if err != nil {
			return "", err
		}
		return "", i.SetBudget(ctx, by.ID, max(m.Budget, st.n*10_000))
	case "flattr":
		return s.flattr(ctx, st)
	case "undo":
		return s.undo(ctx, st)
	case "button":
		s.button(st.who, st.what)
		return "", nil
	case "follow":
		return s.fan.Follow(i.Ledger.Instance().MemberIRI(by.Name)), nil
	case "unfollow":
		return s.fan.Unfollow(i.Ledger.Instance().MemberIRI(by.Name)), nil
	case "cut":
		s.Network.Cut(i)
		return "", nil
	case "heal":
		s.Network.Heal(i)
		return "", nil
	case "leave":
		return "", i.DeleteMember(ctx, by.ID)
	case "pay":
		return s.pay(ctx, i, st)
	case "receive":
		return s.receive(ctx, i, st)
	case "withdraw":
		return s.withdraw(ctx, i, by, st)
	}
	return "", fmt.Errorf("no such step: %s", st)
}

func (s *stage) flattr(ctx context.Context, st step) (string, error) {
	i, by := s.of(st.who), s.members[st.who]
	thing, err := i.ThingByIRI(ctx, s.things[st.what])
	if errors.Is(err, ledger.ErrNotFound) { // nobody here has clicked on it before
		thing, err = i.Server.ResolveThing(ctx, s.things[st.what])
	}
	if err != nil {
		return "", err
	}
	_, again, err := i.Flattr(ctx, by.ID, thing.ID)
	return fmt.Sprintf("again %t", again), err
}

// undo takes back the flattr of this month, if there is one.
func (s *stage) undo(ctx context.Context, st step) (string, error) {
	i, by := s.of(st.who), s.members[st.who]
	period := ledger.PeriodOf(s.Clock.Now())
	m, err := i.MyMonth(ctx, by.ID, period)
	if err != nil {
		return "", err
	}
	for _, line := range m.Lines {
		if line.IRI == s.things[st.what] {
			return "undone", i.UndoFlattr(ctx, by.ID, line.ID)
		}
	}
	return "nothing to undo", nil
}

// pay orders and sends all that is owed to a peer.
func (s *stage) pay(ctx context.Context, i *federationtest.Instance, st step) (string, error) {
	host := federationtest.HostName(st.what)
	if err := i.SetThreshold(ctx, i.Op.ID, host, 10_000); err != nil {
		return "", err
	}
	y, err := i.PreparePayment(ctx, i.Op.ID, host)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(y.Amount), i.PaymentSent(ctx, i.Op.ID, y.ID)
}

// receive lets the operator look for what a peer has announced.
func (s *stage) receive(ctx context.Context, i *federationtest.Instance, st step) (string, error) {
	all, err := i.Payments(ctx)
	if err != nil {
		return "", err
	}
	for _, y := range all {
		if y.Direction != "in" || y.State != "announced" || y.Host != federationtest.HostName(st.what) {
			continue
		}
		received := y.Amount
		switch st.n {
		case arrivesShort:
			received = ledger.WholeCents(y.Amount / 2)
		case arrivesTooMuch:
			received += 70_000
		}
		if st.n == arrivesNot || received == 0 {
			return "not received", i.PaymentNotReceived(ctx, i.Op.ID, y.ID)
		}
		return fmt.Sprintf("%d of %d", received, y.Amount), i.ConfirmPayment(ctx, i.Op.ID, y.ID, received)
	}
	return "nothing announced", nil
}

// withdraw takes out what is available; the operator pays, refuses, or hasn't got round to it.
func (s *stage) withdraw(ctx context.Context, i *federationtest.Instance, by ledger.Member, st step) (string, error) {
	e, err := i.Earned(ctx, by.ID)
	if err != nil {
		return "", err
	}
	w, err := i.RequestWithdrawal(ctx, by.ID, ledger.WholeCents(e.Available), "DE75512108001245126199")
	if err != nil {
		return "", err
	}
	switch st.n {
	case 0:
		err = i.WithdrawalRefused(ctx, i.Op.ID, w.ID)
	case 1, 2:
		err = i.WithdrawalPaid(ctx, i.Op.ID, w.ID)
	}
	return fmt.Sprint(w.Amount), err
}
