package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// split plays what is said of authors: propose THING AUTHOR:WEIGHT…, withdraw-split THING VERSION, consent and decline
// AUTHOR THING VERSION; and asks split [AT] THING VERSION, and parts GIVER THING, who got what of a share.
func (s *scene) split(w []string) (string, error) {
	ctx := context.Background()
	switch w[0] {
	case "propose":
		var authors []ledger.Author
		for _, a := range w[2:] {
			who, weight, _ := strings.Cut(a, ":")
			n, err := strconv.ParseInt(weight, 10, 32)
			if err != nil {
				return "", err
			}
			_, host, _ := strings.Cut(who, "@")
			authors = append(authors, ledger.Author{Payee: "https://" + host + "/users/" + name(who), Name: name(who), Weight: int32(n)})
		}
		t, err := s.at(w[1]).ThingByIRI(ctx, s.things[w[1]])
		if err != nil {
			return "", err
		}
		v, err := s.at(w[1]).ProposeSplit(ctx, s.members[handle(w[1])].ID, *t.Button, authors)
		return fmt.Sprint("version ", v.Version), err
	case "withdraw-split":
		t, err := s.at(w[1]).ThingByIRI(ctx, s.things[w[1]])
		if err != nil {
			return "", err
		}
		v, err := strconv.ParseInt(w[2], 10, 32)
		if err != nil {
			return "", err
		}
		return "", s.at(w[1]).WithdrawSplit(ctx, s.members[handle(w[1])].ID, *t.Button, int32(v))
	case "consent", "decline":
		v, err := s.version(s.at(w[1]), w[2], w[3])
		if err != nil {
			return "", err
		}
		return "", s.at(w[1]).AnswerSplit(ctx, s.members[w[1]].ID, v.ID, w[0] == "consent")
	case "split":
		v, err := s.version(s.at(w[1]), w[len(w)-2], w[len(w)-1])
		if v.Period != nil {
			return v.State + " from " + *v.Period, err
		}
		return v.State, err
	}
	return s.parts(w[1], w[2])
}

// deliverBut delivers what isn't for a host; what is for it is lost.
func (s *scene) deliverBut(host string) {
	for quiet := false; !quiet; {
		quiet = true
		for _, from := range s.hosts {
			for _, m := range s.post[from].Outbox.Take(s.t) {
				if strings.Contains(m.To, host) {
					continue
				}
				quiet = false
				if err := s.post.Carry(s.post[from], m); err != nil {
					s.t.Error(err)
				}
			}
		}
	}
}

func (s *scene) version(i *ledgertest.Instance, thing, version string) (ledger.SplitVersion, error) {
	ctx := context.Background()
	t, err := i.ThingByIRI(ctx, s.things[thing])
	if err != nil {
		return ledger.SplitVersion{}, err
	}
	all, err := i.Splits(ctx, t.ID)
	at := slices.IndexFunc(all, func(v ledger.SplitVersion) bool { return fmt.Sprint(v.Version) == version })
	if err != nil || at < 0 {
		return ledger.SplitVersion{}, fmt.Errorf("no version %s: %w", version, err)
	}
	return all[at], nil
}

// parts tells who got what of a giver's latest share, by name.
func (s *scene) parts(giver, what string) (string, error) {
	line, err := s.line1(giver, what)
	if err != nil {
		return "", err
	}
	var said []string
	for _, p := range line.Parts {
		text := fmt.Sprintf("%s %s", p.PayeeName, p.State)
		if p.Amount != nil {
			text = fmt.Sprintf("%s %s", p.PayeeName, ledger.FormatPlain(*p.Amount))
		}
		if p.Returned > 0 {
			text += " returned"
		}
		said = append(said, text)
	}
	return strings.Join(said, ", "), nil
}
