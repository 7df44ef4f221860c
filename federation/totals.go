package federation

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// totals serves a settled month's public sums with the accounting key's proof. It stores nothing: the same
// rows give the same bytes, as time comes from the rows and Ed25519 takes no random numbers. They change when
// a claim changes its state, and then say when that was.
func (s *Server) totals(r *http.Request) (answer, error) {
	t, err := s.ledger.PublicTotals(r.Context(), chi.URLParam(r, "period"))
	if err != nil {
		return answer{}, err
	}
	updated := t.UpdatedAt.UTC().Truncate(time.Second)
	plain, err := vocab.RenderTotals(vocab.Totals{ID: s.inst.BaseURL + "/totals/" + t.Period + ".json", AttributedTo: s.inst.ActorIRI(),
		Published: t.SettledAt.UTC().Truncate(time.Second), Updated: updated, Period: t.Period, AssetCode: s.inst.Currency,
		Sums: vocab.Sums{Givers: t.Givers, Flattrs: t.Flattrs, Reserved: t.Reserved, Shared: t.Shared, RolledOver: t.Rolled,
			Here: t.Here, Elsewhere: t.Elsewhere, Offered: t.Offered, Accepted: t.Accepted, Confirmed: t.Confirmed,
			Returned: t.Returned, OwedByOthers: t.Owed, PaidByOthers: t.Received}})
	if err != nil {
		return answer{}, err
	}
	key, err := s.moneyKey(r.Context())
	if err != nil {
		return answer{}, err
	}
	body, err := signature.Prove(plain, key, updated)
	media := "application/json" // for people, whose browsers show it
	if wantsAS2(r.Header.Values("Accept")) {
		media = vocab.AS2MediaType + "; charset=utf-8"
	}
	return answer{body: body, media: media}, err
}
