package ledger

import "context"

// Numbers are the instance's public totals.
type Numbers struct {
	Members        int64
	Buttons        int64
	ActiveMonth    int64 // members who flattred in the last 30 days
	ActiveHalfyear int64 // … in the last 180 days
	Flattrs        int64 // of our members, ever, that weren't undone
}

// Numbers counts what anybody may know.
func (l *Ledger) Numbers(ctx context.Context) (Numbers, error) {
	return row[Numbers](l.pool.Query(ctx, `
		select (select count(*) from member where deleted_at is null) as members,
		  (select count(*) from button where removed_at is null) as buttons,
		  count(distinct giver) filter (where made_at > $1) as active_month,
		  count(distinct giver) filter (where made_at > $2) as active_halfyear,
		  count(*) as flattrs
		from flattr where state <> 'undone'`, l.Now().AddDate(0, 0, -30), l.Now().AddDate(0, 0, -180)))
}
