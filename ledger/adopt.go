package ledger

import (
	"context"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// ReturnedClaim is a claim that a peer returned, because its records say that we lack it or the answer to it
// (protocol §9): an offer of ours, with the peer's answer if there is one, or an offer of the peer's with our
// answer. Both proofs are checked.
type ReturnedClaim struct {
	Ours   bool
	Offer  ClaimOffer
	Answer *ClaimAnswer
}

// AdoptClaim takes back what we have signed and lost: it stands as it is. Errors are those of ReceiveClaim.
func (l *Ledger) AdoptClaim(ctx context.Context, r ReturnedClaim) error {
	if err := l.checkHead(r.Offer); err != nil {
		return err
	}
	return l.adopt(ctx, r.Offer.Host, func(tx *Tx, w *decided) (pair.Decision, error) {
		known, err := tx.known(ctx, w.peer, r.Offer)
		if err != nil {
			return pair.Decision{}, err
		}
		if known.Claim != nil {
			if err := tx.ownContent(ctx, known.Claim); err != nil {
				return pair.Decision{}, err
			}
		}
		offer, err := r.Offer.offer(true)
		if err != nil {
			return pair.Decision{}, err
		}
		tx.keep(r.Offer.IRI, r.Offer.Document, r.Ours)
		if r.Ours {
			return tx.adoptOffer(ctx, w, known, offer, r)
		}
		tx.keep(r.Offer.IRI+"#answer", r.Answer.Document, true)
		if known.Claim != nil { // what returns may be here all the time: its statement was older than our answer
			if err := tx.fill(ctx, known.Claim); err != nil {
				return pair.Decision{}, err
			}
		}
		if w.lines, err = tx.judgeLines(ctx, r.Offer.Lines); err != nil {
			return pair.Decision{}, err
		}
		refuseAs(w.lines, r.Answer.Refusals)
		return pair.AdoptAnswer(known, offer, pair.Answer{Claim: r.Offer.IRI, Accepted: r.Answer.Accepted,
			Refusals: r.Answer.Refusals}), nil
	})
}

// adoptOffer takes an offer of ours back, and the peer's answer to it.
func (tx *Tx) adoptOffer(ctx context.Context, w *decided, known pair.Known, offer pair.Offer, r ReturnedClaim) (d pair.Decision, err error) {
	for _, line := range r.Offer.Lines {
		w.lines = append(w.lines, ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: line.thingsJSON()})
	}
	if known.Claim != nil {
		if err := tx.fill(ctx, known.Claim); err != nil {
			return d, err
		}
	}
	if known.Superseded != nil {
		if err := tx.fill(ctx, known.Superseded); err != nil {
			return d, err
		}
	}
	next, err := tx.next(ctx, w.peer, r.Offer.Period)
	if err != nil {
		return d, err
	}
	var answer *pair.Answer
	if r.Answer != nil {
		tx.keep(r.Offer.IRI+"#answer", r.Answer.Document, false)
		answer = &pair.Answer{Claim: r.Offer.IRI, Accepted: r.Answer.Accepted, Refusals: knownReasons(r.Answer.Refusals)}
	}
	d = pair.AdoptOffer(w.peer.decided(tx.at), known, offer, answer, next)
	return d, w.digest(d.Claims)
}

// fill reads the lines and refusals of a claim on record.
func (tx *Tx) fill(ctx context.Context, c *pair.Claim) error {
	full, _, err := tx.withLines(ctx, Claim{ID: c.Row})
	c.Lines, c.Refusals = full.Lines, full.Refusals
	return err
}

// ownContent completes a claim of ours with the digest of what we have signed; it stands in the archive only.
func (tx *Tx) ownContent(ctx context.Context, c *pair.Claim) error {
	if c.Incoming {
		return nil
	}
	contents, err := tx.l.outbox.Contents(ctx, tx.Tx, []string{c.IRI})
	c.Content = contents[c.IRI]
	return err
}

// refuseAs has lines refused as an answer says, whatever we would say now.
func refuseAs(lines []ClaimLine, refusals []Refusal) {
	why := map[string]string{}
	for _, r := range refusals {
		why[r.Payee] = r.Reason
	}
	for i := range lines {
		lines[i].Refused = nil
		if reason := why[lines[i].Payee]; reason != "" {
			lines[i].Refused = &reason
		}
		if why[lines[i].Payee] == "unknown-payee" { // whoever has the name since then isn't meant
			lines[i].Member = nil
		}
	}
}

// ReturnedPayment is a payment that a peer returned: ours, with what the peer says it received if it has
// answered, or the peer's with our answer. Received 0: nothing.
type ReturnedPayment struct {
	Ours     bool
	Notice   PaymentNotice
	Received *int64
	Answer   []byte // the answer's document
}

// AdoptPayment takes back a payment, or an answer to one, that we have signed and lost.
func (l *Ledger) AdoptPayment(ctx context.Context, r ReturnedPayment) error {
	if err := l.checkNotice(r.Notice); err != nil {
		return err
	}
	return l.adopt(ctx, r.Notice.Host, func(tx *Tx, w *decided) (d pair.Decision, err error) {
		known, err := tx.paymentOnRecord(ctx, w.peer, r.Notice.IRI)
		if err != nil {
			return d, err
		}
		claims, err := tx.claimsNamed(ctx, w.peer.ID, r.Notice.claims())
		if err != nil {
			return d, err
		}
		n := r.Notice.decided(l.inst.BaseURL)
		w.paidAt = &r.Notice.PaidAt
		tx.keep(r.Notice.IRI, r.Notice.Document, r.Ours)
		tx.keep(r.Notice.IRI+"#answer", r.Answer, !r.Ours)
		if !r.Ours {
			if known != nil {
				known.Allocations = n.Allocations
			}
			return pair.AdoptReceipt(w.peer.decided(tx.at), known, claims, n, *r.Received), nil
		}
		n.Incoming = false
		if known != nil {
			known.Allocations = n.Allocations
			contents, err := tx.l.outbox.Contents(ctx, tx.Tx, []string{n.IRI})
			if err != nil {
				return d, err
			}
			known.Content = contents[n.IRI]
		}
		return pair.AdoptPayment(w.peer.decided(tx.at), known, claims, n, r.Received), nil
	})
}

// adopt carries out what follows from something that was returned. Whoever has lost what it had signed asks
// whether there is more.
func (l *Ledger) adopt(ctx context.Context, host string, decide func(tx *Tx, w *decided) (pair.Decision, error)) error {
	var conflict error
	err := l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.pairHeld(ctx, host); err != nil {
			return err
		}
		p, err := tx.peer(ctx, host)
		if err != nil {
			return err
		}
		w := &decided{Tx: tx, step: "adopt", peer: p, open: open}
		d, err := decide(tx, w)
		if err != nil {
			return err
		}
		if conflict, err = result(d); err != nil {
			return err
		}
		if err := w.store(ctx, d); err != nil {
			return err
		}
		if len(d.Post) > 1 && (d.Post[0].Kind == pair.Reserve || d.Post[0].Kind == pair.NetHold) {
			reserved := d // only what is in the books can be posted
			reserved.Post, d.Post = d.Post[:1], d.Post[1:]
			if err := w.post(ctx, reserved); err != nil {
				return err
			}
		}
		if err := w.post(ctx, d); err != nil {
			return err
		}
		if err := tx.topUp(ctx, open, w.givers...); err != nil {
			return err
		}
		if conflict == nil && (p.HeldAt != nil || d.Restored) {
			tx.tell(Message{Kind: TellStatement, Key: host, To: host})
		}
		if !d.Restored {
			return nil
		}
		return tx.restored(ctx, p)
	})
	if err == nil {
		err = conflict
	}
	return err
}

// restored notes that this database has lost what was signed, which is now proven: whatever we would pay out or
// sign for any peer waits until the others have shown what they have of us.
func (tx *Tx) restored(ctx context.Context, p Peer) error {
	tx.said = append(tx.said, func() {
		tx.l.log.ErrorContext(ctx, "instance.restored", "code", "instance.restored", "instance", tx.l.inst.Host, "peer", p.Host)
	})
	if _, err := tx.Exec(ctx, `update instance set restored_at = coalesce(restored_at, $1) where id = 1`, tx.at); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		insert into standing (peer, held_at) values ($1, $2)
		on conflict (peer) do update set held_at = coalesce(standing.held_at, $2)`, p.ID, tx.at); err != nil {
		return err
	}
	return tx.tellEach(ctx, `
		update standing s set held_at = $1, asked = '' from peer p
		where p.id = s.peer and s.held_at is null and s.seen > 0 returning p.host`, tx.at)
}
