//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/fedflattr/flattrd/ledger"
)

// funding is what an operator records in a stage, and the budget that a giver sets.
func (l *lane) funding(stage int, p *person) (all []deed) {
	k := int(p.letter[0] - 'a')
	for n, who := range busyPeople {
		switch {
		case p.name == "op" && who.letter == p.letter:
			cents := 500 + rand.New(rand.NewPCG(l.busy.seed, uint64(stage*100+n))).Int64N(300)
			all = append(all, l.deposit(k, p, who.name, cents, fmt.Sprintf("load %d for %s", stage, who.name)))
		case p.name == who.name:
			all = append(all, l.budget(k, p, who.budget+int64(200+10*stage)))
		}
	}
	return all
}

// clicking is what a giver flattrs in a stage.
func (l *lane) clicking(stage int, p *person) (all []deed) {
	for n, who := range busyPeople {
		if who.name != p.name {
			continue
		}
		things := l.things(stage/len(crashStages), n)
		for _, what := range things[stage%len(crashStages)*l.busy.clicks:][:l.busy.clicks] {
			all = append(all, l.click(int(p.letter[0]-'a'), p, what))
		}
	}
	return all
}

// things are what a giver may click on in a month, in an order of its own: others' things, of people who stay and give.
func (l *lane) things(month, giver int) []string {
	var all []string
	for _, owner := range cast {
		for n := 1; n <= owner.things && owner.name != "judy" && owner.name != "henry" && owner.name != busyPeople[giver].name; n++ {
			all = append(all, fmt.Sprintf("%s/%d", owner.name, n))
		}
	}
	rng := rand.New(rand.NewPCG(l.busy.seed, uint64(1_000_000+month*100+giver)))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func (l *lane) deposit(k int, op *person, name string, cents int64, reference string) deed {
	amount := fmt.Sprintf("%d.%02d", cents/100, cents%100)
	return deed{"deposit " + reference, func(ctx context.Context) error {
		if err := op.open(ctx, op.base+"/admin/deposits"); err != nil {
			return err
		}
		return op.submit(ctx, "/admin/deposits", map[string]string{"name": name, "amount": amount, "reference": reference})
	}, acknowledged{k, "deposit " + reference, `select exists (select from deposit where reference = $1 and amount = $2)`,
		[]any{reference, cents * 10_000}}}
}

func (l *lane) budget(k int, p *person, cents int64) deed {
	budget := fmt.Sprintf("%d.%02d", cents/100, cents%100)
	return deed{p.name + "'s budget " + budget, func(ctx context.Context) error {
		if err := p.open(ctx, p.base+"/home"); err != nil {
			return err
		}
		return p.submit(ctx, "/home/budget", map[string]string{"budget": budget})
	}, acknowledged{k, p.name + "'s budget " + budget, `select exists (select from member where name = $1 and budget >= $2)`,
		[]any{p.name, cents * 10_000}}}
}

// click: a click that was taken though nobody said so is shown as done; that is an acknowledgement, too.
func (l *lane) click(k int, p *person, what string) deed {
	d := &demo{world: &world{port: l.port}, buttons: l.buttons}
	return deed{p.name + " flattrs " + what, func(ctx context.Context) error {
		err := d.flattr(ctx, p, what)
		if err != nil && !unanswered(err) && p.at.Path == "/intents/flattr" && p.doc.Find("form[action^='/intents/flattr/undo']").Length() > 0 {
			return nil
		}
		return err
	}, acknowledged{k, p.name + "'s flattr of " + what, `
			select exists (select from flattr f join member m on m.id = f.giver join thing t on t.id = f.thing
			  where m.name = $1 and t.url = $2 and f.period = $3 and f.state <> 'undone')`,
		[]any{p.name, "https://blog.example/" + what, ledger.NextPeriod(l.month)}}}
}

// more is what a seed adds to the month itself: who has a budget pays in more and raises it, and most click more often.
func (r *crashRig) more(play *demo) func(context.Context) error {
	return func(ctx context.Context) error {
		if r.seed == 0 {
			return nil
		}
		rng := rand.New(rand.NewPCG(r.seed, 0))
		for _, who := range busyPeople {
			p := play.people[who.name]
			l := &lane{crashRig: r}
			cents := 50 + rng.Int64N(150)
			all := []deed{l.deposit(0, play.people["op@"+who.letter], who.name, cents, "more for "+who.name), l.budget(0, p, who.budget+cents)}
			for _, d := range all {
				if err := d.do(ctx); err != nil {
					return fmt.Errorf("%s: %w", d.what, err)
				}
			}
			if who.name == "frank" || who.name == "carla" {
				continue // one gives nothing, one only gets
			}
			for _, what := range unclicked(rng, who.name)[:1+rng.IntN(2)] {
				if err := play.flattr(ctx, p, what); err != nil {
					return fmt.Errorf("%s flattrs %s: %w", who.name, what, err)
				}
			}
		}
		return nil
	}
}

// unclicked is what the month doesn't have a giver click on, in any order.
func unclicked(rng *rand.Rand, giver string) (all []string) {
	taken := map[string]bool{}
	for _, c := range clicks {
		for _, what := range c.things {
			taken[c.giver+" "+what] = true
		}
	}
	for _, owner := range cast {
		for n := 1; n <= owner.things; n++ {
			if what := fmt.Sprintf("%s/%d", owner.name, n); owner.name != giver && !taken[giver+" "+what] {
				all = append(all, what)
			}
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
