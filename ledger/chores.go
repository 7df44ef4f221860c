package ledger

import "context"

// Chores counts all that waits for the operator's hand.
type Chores struct {
	Withdrawals int64 // asked for
	Ordered     int64 // payments prepared whose bank order isn't marked as placed
	Announced   int64 // payments that should have arrived
	Unmet       int64 // peers whose key nobody has compared
	Frozen      int64 // peers
	Left        int64 // money of members who left and whose payment was refused
	Held        int64 // peers whose key has changed without proof
	WriteOffs   int64 // proposed, which wait for another operator
	Restored    int64 // 1: the books were put back and aren't compared with the bank
	Due         int64 `db:"-"` // peers to whom a payment can be prepared
	Alarms      int64 `db:"-"` // peers whose advance limit is nearly used up
}

// Nothing tells whether all is done.
func (c Chores) Nothing() bool { return c == Chores{} }

// Chores counts what wants an operator's hand.
func (l *Ledger) Chores(ctx context.Context) (Chores, error) {
	c, err := row[Chores](l.pool.Query(ctx, `
		select (select count(*) from withdrawal where state = 'requested') as withdrawals,
		  (select count(*) from payment where state = 'ordered') as ordered,
		  (select count(*) from payment where state = 'announced') as announced,
		  (select count(*) from peer where key_confirmed_at is null and accounting_key <> '') as unmet,
		  (select count(*) from peer where frozen_at is not null) as frozen,
		  (select count(*) from instance where restored_at is not null) as restored,
		  (select count(*) from peer where key_held_at is not null) as held,
		  (select count(*) from write_off where state = 'proposed') as write_offs,
		  (select count(distinct x.member) from (`+leftQuery+`) x where x.free >= 10000) as left`))
	if err != nil {
		return c, err
	}
	peers, err := l.PeerPositions(ctx)
	for _, p := range peers {
		if p.Ready() {
			c.Due++
		}
		if p.Alarm() {
			c.Alarms++
		}
	}
	return c, err
}
