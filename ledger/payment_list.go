package ledger

import "context"

// open are the states in which a payment waits for somebody: for our bank order, the peer's answer, or
// the operator's look at the account.
const open = `y.state in ('ordered', 'sent', 'announced')`

// OpenPayments are the open payments between us and one peer in one direction.
type OpenPayments struct {
	Direction string // out | in
	Host      string
	Total     int64     // how many there are
	Payments  []Payment // the first of them
}

// Rest is how many more there are than listed.
func (o OpenPayments) Rest() int64 { return o.Total - int64(len(o.Payments)) }

// OpenPayments lists what waits, by peer and direction: peers whose key was compared come first. Of each
// it lists at most so many, what wants an order before what is sent, then the longest waiting, so that a
// peer which announces many payments hides nobody else's.
func (l *Ledger) OpenPayments(ctx context.Context, most int) ([]OpenPayments, error) {
	type ranked struct {
		Payment
		Total int64
	}
	found, err := rows[ranked](l.pool.Query(ctx, `
		select `+paymentColumns+`, o.total
		from (select y.id, count(*) over of_peer as total,
		    row_number() over (of_peer order by y.state = 'sent', y.id) as place
		  from payment y where `+open+` window of_peer as (partition by y.peer, y.direction)) o
		join payment y on y.id = o.id join peer p on p.id = y.peer
		where o.place <= $1
		order by p.key_confirmed_at is null, p.host, y.direction, o.place`, most))
	var all []OpenPayments
	for _, y := range found {
		n := len(all) - 1
		if n < 0 || all[n].Host != y.Host || all[n].Direction != y.Direction {
			all, n = append(all, OpenPayments{Direction: y.Direction, Host: y.Host, Total: y.Total}), n+1
		}
		all[n].Payments = append(all[n].Payments, y.Payment)
	}
	return all, err
}

// PaymentFilter chooses payments for a list; an empty string chooses all.
type PaymentFilter struct {
	Host      string
	Direction string // out | in
	Open      bool   // those that wait, the longest waiting first; else the finished ones, the latest first
	After     int64  // the id of the payment before the page; 0: from the start
}

// PaymentPage lists at most so many payments of a filter.
func (l *Ledger) PaymentPage(ctx context.Context, f PaymentFilter, most int) ([]Payment, error) {
	page := ` and not ` + open + ` and ($3::bigint = 0 or y.id < $3) order by y.id desc limit $4`
	if f.Open {
		page = ` and ` + open + ` and y.id > $3 order by y.id limit $4`
	}
	return rows[Payment](l.pool.Query(ctx, paymentQuery+`
		where ($1 = '' or p.host = $1) and ($2 = '' or y.direction = $2)`+page, f.Host, f.Direction, f.After, most))
}

// Payment reads a payment by its number; ErrNotFound.
func (l *Ledger) Payment(ctx context.Context, id int64) (Payment, error) {
	return row[Payment](l.pool.Query(ctx, paymentQuery+` where y.id = $1`, id))
}
