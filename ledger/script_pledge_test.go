package ledger_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// pledge answers what is asked about promises.
func (s *scene) pledge(w []string) (string, error) {
	ctx := context.Background()
	switch w[0] {
	case "pledge":
		v, err := s.at(w[1]).MyMonth(ctx, s.members[w[1]].ID, w[2])
		if v.Pledge == nil {
			return "none", err
		}
		return ledger.FormatPlain(v.Pledge.Amount) + " " + v.Pledge.State, err
	case "to-pay":
		var said []string
		all, err := s.at(w[1]).DuePledges(ctx, s.members[w[1]].ID)
		for _, d := range all {
			text := fmt.Sprintf("%s %s by %s", d.Period, ledger.FormatPlain(d.Short), d.By.Format("2006-01-02"))
			if d.Last {
				text += " at last"
			}
			said = append(said, text)
		}
		return strings.Join(said, ", "), err
	case "pledged-to":
		return s.revenue(w[1], w[2], func(r ledger.Revenue) int64 { return r.PledgedAmount })
	}
	var said string
	err := s.post[w[1]].InstanceMonth(ctx, w[2], 1, func(v ledger.InstanceMonth) error {
		p := v.Pledges
		said = fmt.Sprintf("%s promised, %s collected, %s open, %s unused, %s void", ledger.FormatPlain(p.Promised),
			ledger.FormatPlain(p.Collected), ledger.FormatPlain(p.Open), ledger.FormatPlain(p.Unused), ledger.FormatPlain(p.Void))
		return nil
	}, func(ledger.Claim) error { return nil }, func(ledger.ClaimPayment) error { return nil })
	return said, err
}
