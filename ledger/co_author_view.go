package ledger

import (
	"context"

	"github.com/google/uuid"
)

// MonthPart is what an author of a co-authored thing gets of a flattr on it.
type MonthPart struct {
	Flattr    uuid.UUID
	Payee     string
	PayeeName string
	Weight    int32
	State     string // of the answer: sent | held | accepted | rejected | expired
	Reason    *string
	Amount    *int64 // once settled, of those who take it
	Returned  int64
}

// addParts fills in the authors of a giver's flattrs on co-authored things.
func (tx *Tx) addParts(ctx context.Context, v *MonthView, by int64) error {
	found, err := rows[MonthPart](tx.Query(ctx, `
		select x.flattr, p.payee, p.payee_name, p.weight, x.state, x.reason, k.amount, coalesce(b.amount, 0)::bigint as returned
		from flattr_part x join thing_split_part p on p.id = x.part join thing_split s on s.id = p.split
		left join share_part k on k.giver = x.giver and k.thing = s.thing and k.period = x.period and k.part = p.id
		left join share_return b on b.giver = x.giver and b.thing = s.thing and b.period = x.period and b.part = p.id
		where x.giver = $1 and x.period = $2 order by x.flattr, p.payee collate "C"`, by, v.Period))
	of := map[uuid.UUID][]MonthPart{}
	for _, p := range found {
		of[p.Flattr] = append(of[p.Flattr], p)
	}
	for i := range v.Lines {
		v.Lines[i].Parts = of[v.Lines[i].ID]
	}
	return err
}
