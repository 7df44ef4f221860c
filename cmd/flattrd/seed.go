package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/fedflattr/flattrd/ledger"
)

// playPassword is everybody's on localserve: play money needs no secret.
const playPassword = "play-money"

// playHash keeps the start of localserve quick; real passwords cost more.
var playHash = &argon2id.Params{Memory: 8 * 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// seeded is what localserve made or found.
type seeded struct {
	posts  []blogPost
	invite string
}

// blogPost is a page of the blog, with the button of somebody on one of the instances.
type blogPost struct {
	Slug, Title, Text, Author, Button, Script string
	owner                                     string
}

// seedPeople are one person on each instance, who run it and give.
var seedPeople = []struct{ letter, name, display string }{
	{"a", "alice", "Alice Amsel"}, {"b", "bob", "Bob Birke"}, {"c", "carla", "Carla Clemens"},
}

var seedPosts = []blogPost{
	{Slug: "sourdough", owner: "b", Title: "A sourdough that forgives",
		Text: "Flour, water, salt and patience. The starter lives in the fridge and complains to nobody."},
	{Slug: "night-trains", owner: "c", Title: "Night trains, and how to sleep on them",
		Text: "Upper berth, ear plugs, and a book that is just boring enough."},
	{Slug: "small-web", owner: "b", Title: "The small web is doing fine",
		Text: "Nobody measures it, so nobody worries about it. That may be the trick."},
	{Slug: "bees", owner: "a", Title: "What my neighbour's bees think of my balcony",
		Text: "They prefer thyme to everything that I bought on purpose."},
}

// seed makes the people, money and buttons that aren't there yet; a second run changes nothing.
func (w *world) seed(ctx context.Context) (*seeded, error) {
	hash, err := argon2id.CreateHash(playPassword, playHash)
	if err != nil {
		return nil, err
	}
	s := &seeded{}
	for k, p := range seedPeople {
		if err := w.seedPerson(ctx, w.instances[k].ledger, p.name, p.display, hash); err != nil {
			return nil, fmt.Errorf("%s@%s: %w", p.name, p.letter, err)
		}
	}
	if err := w.seedBlog(ctx, s); err != nil {
		return nil, err
	}
	if err := w.seedPeers(ctx); err != nil {
		return nil, err
	}
	s.invite, err = w.seedInvite(ctx, w.instances[0].ledger)
	return s, err
}

func (w *world) seedPerson(ctx context.Context, l *ledger.Ledger, name, display, hash string) error {
	m, err := l.MemberByName(ctx, name)
	if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	m, err = l.CreateOperator(ctx, ledger.Joining{Name: name, DisplayName: display, PasswordHash: hash, Language: "en"})
	if err != nil {
		return err
	}
	if _, err := l.RecordDeposit(ctx, m.ID, name, 20_000_000, "play money for "+name); err != nil {
		return err
	}
	return l.SetBudget(ctx, m.ID, 1_000_000)
}

func (w *world) seedBlog(ctx context.Context, s *seeded) error {
	for _, post := range seedPosts {
		k := int(post.owner[0] - 'a')
		l := w.instances[k].ledger
		owner, err := l.MemberByName(ctx, seedPeople[k].name)
		if err != nil {
			return err
		}
		b, err := l.CreateButton(ctx, owner.ID, ledger.NewButton{Title: post.Title, Summary: post.Text,
			URL: fmt.Sprintf("http://%s/%s", worldHost("blog", w.port), post.Slug)})
		if err != nil {
			return err
		}
		post.Author = owner.DisplayName
		post.Button = l.Instance().BaseURL + "/f/" + b.ID
		post.Script = l.Instance().BaseURL + "/embed/v1.js"
		s.posts = append(s.posts, post)
	}
	return nil
}

// playThreshold is the smallest payment between the instances of localserve, one cent: with budgets of
// one unit a month real instances' 10.00 wouldn't be reached for a year, and no payment could be tried.
const playThreshold = 10_000

// seedPeers introduces the instances to each other, by a button that each has, and sets the smallest
// payment between them. Whom an instance knows already is left as its operator set it.
func (w *world) seedPeers(ctx context.Context) error {
	for k, p := range seedPeople {
		l := w.instances[k].ledger
		op, err := l.MemberByName(ctx, p.name)
		if err != nil {
			return err
		}
		for j, other := range w.instances {
			if j == k {
				continue
			}
			if err := introduce(ctx, l, op.ID, other.ledger, seedPeople[j].name); err != nil {
				return fmt.Errorf("%s meets %s: %w", worldInstances[k].name, worldInstances[j].name, err)
			}
		}
	}
	return nil
}

func introduce(ctx context.Context, l *ledger.Ledger, op int64, other *ledger.Ledger, owner string) error {
	inst := other.Instance()
	if _, err := l.Peer(ctx, inst.Host); !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	m, err := other.MemberByName(ctx, owner)
	if err != nil {
		return err
	}
	all, err := other.Buttons(ctx, m.ID)
	if err != nil || len(all) == 0 {
		return err
	}
	b := all[len(all)-1]
	if _, err := l.SaveThing(ctx, ledger.RemoteThing{IRI: inst.ButtonIRI(b.ID), URL: b.URL, Title: b.Title,
		Payee: inst.MemberIRI(m.Name), PayeeName: m.DisplayName, Host: inst.Host}); err != nil {
		return err
	}
	return l.SetThreshold(ctx, op, inst.Host, playThreshold)
}

// seedInvite finds an invitation that still works, or makes one.
func (w *world) seedInvite(ctx context.Context, l *ledger.Ledger) (string, error) {
	op, err := l.MemberByName(ctx, seedPeople[0].name)
	if err != nil {
		return "", err
	}
	all, err := l.Invites(ctx, op.ID)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		i, err := l.CreateInvite(ctx, op.ID, "for trying out", 100)
		return i.Code, err
	}
	return all[0].Code, nil
}

// print tells where everything is, once it answers.
func (s *seeded) print(out io.Writer, w *world) {
	fmt.Fprintf(out, "\nThree instances and a blog, with play money. Everything stays on this machine.\n\n")
	fmt.Fprintf(out, "  blog       http://%s/\n", worldHost("blog", w.port))
	for k, p := range seedPeople {
		fmt.Fprintf(out, "  %-10s http://%s/   log in as %s with the password %s\n",
			worldInstances[k].name, worldHost(p.letter, w.port), p.name, playPassword)
	}
	fmt.Fprintf(out, "\n  join       http://%s/join?code=%s\n", worldHost("a", w.port), s.invite)
	fmt.Fprintf(out, "\nA home is typed as alice@%s. It is %s there; the banner turns the clock. Ctrl+C stops.\n\n",
		worldHost("a", w.port), w.clock.Now().UTC().Format(time.DateOnly))
}

//go:embed blog.html
var blogHTML string

var blogPage = template.Must(template.New("blog").Parse(blogHTML))

// blog is somebody's site that uses our buttons: plain pages, no part of any instance.
func (s *seeded) blog(w *world) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) { showBlog(rw, s.posts, true) })
	for _, post := range s.posts {
		mux.HandleFunc("GET /"+post.Slug, func(rw http.ResponseWriter, _ *http.Request) {
			showBlog(rw, []blogPost{post}, false)
		})
	}
	return mux
}

func showBlog(rw http.ResponseWriter, posts []blogPost, home bool) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	scripts := map[string]bool{}
	for _, p := range posts {
		scripts[p.Script] = true
	}
	if err := blogPage.Execute(rw, map[string]any{"Posts": posts, "Scripts": scripts, "Home": home}); err != nil {
		slog.Error("blog.page", "code", "blog.page", "error", err)
	}
}
