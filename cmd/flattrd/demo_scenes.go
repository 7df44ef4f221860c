package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/PuerkitoBio/goquery"
)

// cast is everybody in the play. Deposits of "" pay in nothing.
var cast = []struct {
	name, letter, deposit, budget string
	things                        int
}{
	{"alice", "a", "1.00", "1.00", 0}, // ten flattrs on things of all three instances
	{"frank", "a", "2.00", "2.00", 0}, // a budget and no flattr
	{"ivy", "a", "", "", 0},           // clicks and stays unfunded
	{"anna", "a", "1.00", "1.00", 4},
	{"dave", "b", "1.00", "1.00", 0}, // 1.00 over three
	{"grace", "b", "", "", 0},        // clicks before funding
	{"bob", "b", "2.00", "1.00", 5},
	{"henry", "b", "", "", 2},        // held, and then funded
	{"erin", "c", "7.00", "7.00", 0}, // 7.00 over thirteen
	{"carla", "c", "", "", 4},        // may receive without giving: c's policy
	{"judy", "c", "", "", 1},         // deletes the account before the claim comes
}

// clicks are the flattrs, in order.
var clicks = []struct {
	giver  string
	things []string
}{
	{"alice", []string{"anna/1", "anna/2", "anna/3", "bob/1", "bob/2", "bob/3", "henry/1", "carla/1", "carla/2", "carla/3"}},
	{"dave", []string{"anna/1", "carla/1", "judy/1", "carla/2"}},
	{"erin", []string{"anna/1", "anna/2", "anna/3", "anna/4", "bob/1", "bob/2", "bob/3", "bob/4", "bob/5", "henry/1", "henry/2", "carla/1", "carla/2"}},
	{"grace", []string{"anna/2", "carla/4"}},
	{"ivy", []string{"bob/1"}},
}

func (d *demo) base(letter string) string { return "http://" + worldHost(letter, d.port) }

// join: each operator logs in and invites; everybody joins by the invitation's link.
func (d *demo) join(ctx context.Context) error {
	for k, i := range worldInstances {
		if err := d.operator(ctx, k); err != nil {
			return err
		}
		op := &person{newBrowser(), "op", i.letter, d.base(i.letter)}
		if err := op.open(ctx, op.base+"/login"); err != nil {
			return err
		}
		if err := op.submit(ctx, "/login", map[string]string{"name": "op", "password": playPassword}); err != nil {
			return err
		}
		d.people["op@"+i.letter] = op
	}
	for _, c := range cast {
		if err := d.joinOne(ctx, c.name, c.letter); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (d *demo) joinOne(ctx context.Context, name, letter string) error {
	op := d.people["op@"+letter]
	if err := op.open(ctx, op.base+"/admin/invites"); err != nil {
		return err
	}
	if err := op.submit(ctx, "/admin/invites", map[string]string{"note": name, "uses": "1"}); err != nil {
		return err
	}
	link := op.doc.Find("main code").FilterFunction(func(_ int, c *goquery.Selection) bool {
		return strings.Contains(c.Text(), "/join?code=")
	}).First().Text()
	p := &person{newBrowser(), name, letter, op.base}
	if err := p.open(ctx, strings.TrimSpace(link)); err != nil {
		return fmt.Errorf("invitation %q: %w", link, err)
	}
	d.people[name] = p
	return p.submit(ctx, "/join", map[string]string{"name": name, "password": playPassword})
}

// fund: the operator records what arrived at the bank; the giver sets the budget.
func (d *demo) fund(ctx context.Context) error {
	for _, c := range cast {
		if err := d.fundOne(ctx, c.name, c.deposit, c.budget); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (d *demo) fundOne(ctx context.Context, name, deposit, budget string) error {
	if deposit == "" {
		return nil
	}
	p := d.people[name]
	op := d.people["op@"+p.letter]
	if err := op.open(ctx, op.base+"/admin/deposits"); err != nil {
		return err
	}
	if err := op.submit(ctx, "/admin/deposits", map[string]string{"name": name, "amount": deposit,
		"reference": "statement 11, " + name}); err != nil {
		return err
	}
	if err := p.open(ctx, p.base+"/home"); err != nil {
		return err
	}
	return p.submit(ctx, "/home/budget", map[string]string{"budget": budget})
}

// makeButtons: owners make buttons for pages of their blogs and take the address from the snippet.
func (d *demo) makeButtons(ctx context.Context) error {
	for _, c := range cast {
		for n := 1; n <= c.things; n++ {
			p, slug := d.people[c.name], fmt.Sprintf("%s/%d", c.name, n)
			if err := p.open(ctx, p.base+"/buttons"); err != nil {
				return err
			}
			if err := p.submit(ctx, "/buttons", map[string]string{"title": "Post " + strconv.Itoa(n) + " of " + c.name,
				"url": "https://blog.example/" + slug}); err != nil {
				return fmt.Errorf("%s: %w", slug, err)
			}
			href, ok := p.doc.Find("flattr-button a[rel=payment]").Attr("href")
			if !ok {
				return fmt.Errorf("%s: %s shows no button", slug, p.at)
			}
			d.buttons[slug] = href
		}
	}
	return nil
}

// click: from the button's page to the giver's home, and the one click there that counts.
func (d *demo) click(ctx context.Context) error {
	for _, c := range clicks {
		for _, what := range c.things {
			if err := d.flattr(ctx, d.people[c.giver], what); err != nil {
				return fmt.Errorf("%s flattrs %s: %w", c.giver, what, err)
			}
		}
	}
	return nil
}

// flattr goes the popup's way: the button's page asks for the home once and then remembers it.
func (d *demo) flattr(ctx context.Context, p *person, what string) error {
	if err := p.open(ctx, d.buttons[what]); err != nil {
		return err
	}
	if ask := p.at.Path; strings.HasPrefix(ask, "/f/") {
		if err := p.submit(ctx, ask, map[string]string{"flattr-address": p.name + "@" + worldHost(p.letter, d.port)}); err != nil {
			return err
		}
	}
	if p.at.Path != "/intents/flattr" {
		return fmt.Errorf("led to %s, not to the home", p.at)
	}
	return p.submit(ctx, "/intents/flattr", nil)
}

// change: dave takes one back and clicks another twice; grace and henry fund their budgets late.
func (d *demo) change(ctx context.Context) error {
	dave := d.people["dave"]
	if err := dave.open(ctx, dave.base+"/home"); err != nil {
		return err
	}
	row := dave.doc.Find("form[action='/home/undo']").FilterFunction(func(_ int, f *goquery.Selection) bool {
		return strings.Contains(f.Closest("li, tr").Text(), "Post 2 of carla")
	}).Find("input[name=flattr]")
	if err := dave.submit(ctx, "/home/undo", map[string]string{"flattr": row.AttrOr("value", "")}); err != nil {
		return err
	}
	if err := d.again(ctx, dave, "anna/1"); err != nil {
		return err
	}
	return errors.Join(d.fundOne(ctx, "grace", "0.50", "0.50"), d.fundOne(ctx, "henry", "1.00", "1.00"))
}

// again clicks a second time: the home says that it is done already and offers nothing but undo.
func (d *demo) again(ctx context.Context, p *person, what string) error {
	if err := p.open(ctx, d.buttons[what]); err != nil {
		return err
	}
	if err := p.submit(ctx, "/intents/flattr", nil); err == nil {
		return errors.New("a second click was taken")
	}
	return nil
}

func (d *demo) closeMonth1(ctx context.Context) error {
	alice := d.people["alice"]
	if err := alice.open(ctx, alice.base+"/home"); err != nil {
		return err
	}
	return alice.submit(ctx, "/test/close-month", nil)
}

func (d *demo) leave(ctx context.Context) error {
	judy := d.people["judy"]
	if err := judy.open(ctx, judy.base+"/settings/delete"); err != nil {
		return err
	}
	return judy.submit(ctx, "/settings/delete", map[string]string{"password": playPassword})
}

// settle turns the clock over the grace; what is due then happens by itself.
func (d *demo) settle(ctx context.Context) error {
	alice := d.people["alice"]
	if err := alice.open(ctx, alice.base+"/home"); err != nil {
		return err
	}
	return alice.submit(ctx, "/test/turn", nil)
}

// pay: every operator lowers the threshold to one cent, pays what is owed, and confirms what arrived.
func (d *demo) pay(ctx context.Context) error {
	for _, i := range worldInstances {
		if err := d.payFrom(ctx, d.people["op@"+i.letter]); err != nil {
			return fmt.Errorf("%s pays: %w", i.letter, err)
		}
	}
	if err := d.quiet(ctx); err != nil {
		return err
	}
	for _, i := range worldInstances {
		if err := d.confirmAll(ctx, d.people["op@"+i.letter]); err != nil {
			return fmt.Errorf("%s confirms: %w", i.letter, err)
		}
	}
	return nil
}

func (d *demo) payFrom(ctx context.Context, op *person) error {
	for _, i := range worldInstances {
		if i.letter == op.letter {
			continue
		}
		host := worldHost(i.letter, d.port)
		if err := op.open(ctx, op.base+"/admin/peers"); err != nil {
			return err
		}
		if err := op.submit(ctx, "/admin/peers/threshold", map[string]string{"host": host, "threshold": "0.01"}); err != nil {
			return err
		}
		if err := op.open(ctx, op.base+"/admin/payments"); err != nil {
			return err
		}
		if err := op.submit(ctx, "/admin/payments", map[string]string{"host": host}); err != nil {
			return err
		}
		if err := op.submit(ctx, op.action("/sent"), nil); err != nil {
			return err
		}
	}
	return nil
}

// action is the path of the first form on the page whose path ends so.
func (p *person) action(ending string) string {
	return p.doc.Find("form").FilterFunction(func(_ int, f *goquery.Selection) bool {
		return strings.HasSuffix(f.AttrOr("action", ""), ending)
	}).First().AttrOr("action", ending)
}

// confirmAll confirms every announced payment with the amount that the page fills in.
func (d *demo) confirmAll(ctx context.Context, op *person) error {
	for range len(worldInstances) - 1 {
		if err := op.open(ctx, op.base+"/admin/payments"); err != nil {
			return err
		}
		if err := op.submit(ctx, op.action("/received"), nil); err != nil {
			return err
		}
	}
	return nil
}

// withdraw: bob and anna take out what is available, in whole cents, and their operators pay it.
func (d *demo) withdraw(ctx context.Context) error {
	for _, name := range []string{"bob", "anna"} {
		p := d.people[name]
		if err := p.open(ctx, p.base+"/withdraw"); err != nil {
			return err
		}
		if err := p.submit(ctx, "/withdraw", map[string]string{"iban": ibans[p.letter]}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		op := d.people["op@"+p.letter]
		if err := op.open(ctx, op.base+"/admin/withdrawals"); err != nil {
			return err
		}
		if err := op.submit(ctx, op.action("/paid"), nil); err != nil {
			return fmt.Errorf("%s is paid: %w", name, err)
		}
	}
	return nil
}
