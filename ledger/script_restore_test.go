package ledger_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// restore plays what follows when a database was lost: the ledger is told what a peer kept.
func (s *scene) restore(w []string) error {
	ctx, i, peer := context.Background(), s.post[w[1]], w[min(2, len(w)-1)]
	switch w[0] {
	case "restart": // after the peer was heard at least once
		if _, err := i.ReceiveStatement(ctx, peer, pair.Statement{ID: "https://" + peer + "/statements/1", Sequence: 1}, nil); err != nil {
			return err
		}
		return i.Started(ctx)
	case "reconciled":
		return i.BankCompared(ctx, i.Op.ID)
	case "compared":
		theirs := pair.Statement{ID: "https://" + peer + "/statements/2", Sequence: 2, InReplyTo: i.Instance().BaseURL + "/statements/1"}
		if err := i.State(ctx, peer, theirs.InReplyTo, "", func(ours ledger.Statement) error {
			theirs.Seen, theirs.Balance = ours.Sequence, -ours.Balance()
			return nil
		}); err != nil {
			return err
		}
		_, err := i.ReceiveStatement(ctx, peer, theirs, nil)
		return err
	}
	return s.returned(ctx, i, peer, w[3], w[4:])
}

// returned: the peer has accepted an offer, which its maker has lost, and returns it with its answer.
func (s *scene) returned(ctx context.Context, i *ledgertest.Instance, peer, key string, of []string) error {
	period, number, _ := strings.Cut(key, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return err
	}
	lines := map[string]int64{}
	for _, line := range of {
		payee, amount, _ := strings.Cut(line, ":")
		lines["https://"+peer+"/users/"+name(payee)] = s.money(amount)
	}
	o, err := ledgertest.StrangersOffer(i.Instance().Host, peer, period, int32(n), lines)
	if err != nil {
		return err
	}
	if err := s.post[peer].ReceiveClaim(ctx, o); err != nil {
		return err
	}
	o.Host = peer
	return i.AdoptClaim(ctx, ledger.ReturnedClaim{Ours: true, Offer: o,
		Answer: &ledger.ClaimAnswer{IRI: o.IRI, Host: peer, Accepted: true}})
}

// payments lists what was paid between two instances, the first first.
func (s *scene) payments(host, peer string) (string, error) {
	all, err := s.post[host].Payments(context.Background())
	var said []string
	for _, y := range all {
		if y.Host == peer {
			said = append([]string{fmt.Sprintf("%s %s %s %s", y.Direction, y.Method, ledger.FormatPlain(y.Amount), y.State)}, said...)
		}
	}
	return strings.Join(said, ", "), err
}

// recovery is what stands between what was signed before a restore and what the books say: above zero, what was
// settled again beyond that.
func (s *scene) recovery(host, peer string) (string, error) {
	var id int64
	ctx, pool := context.Background(), s.post[host].Pool
	if err := pool.QueryRow(ctx, `select id from peer where host = $1`, peer).Scan(&id); err != nil {
		return "", err
	}
	b, err := journal.BalanceOf(ctx, pool, journal.Account{Kind: journal.Recovery, Owner: id}, "EUR")
	return ledger.FormatPlain(b.Posted), err
}
