//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// journal is what people were told is done, kept outside of the processes.
type journal struct {
	mu  sync.Mutex
	all []acknowledged
}

// acknowledged is one such thing, and a query of one boolean that finds it in an instance's books.
type acknowledged struct {
	k    int
	what string
	sql  string
	args []any
}

func (j *journal) add(a acknowledged) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, a)
}

// since returns what was noted behind a place, and the new place.
func (j *journal) since(n int) ([]acknowledged, int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all[n:len(j.all):len(j.all)], len(j.all)
}

// missing returns what isn't in the books though it was acknowledged.
func (l *lane) missing(ctx context.Context, all []acknowledged) error {
	var lost []error
	for _, a := range all {
		var there bool
		if err := l.books[a.k].pool.QueryRow(ctx, a.sql, a.args...).Scan(&there); err != nil {
			return fmt.Errorf("%s: %w", a.what, err)
		}
		if !there {
			lost = append(lost, fmt.Errorf("acknowledged, but not in the books of %s: %s", worldInstances[a.k].letter, a.what))
		}
	}
	return errors.Join(lost...)
}

// kept returns what the wire's messages say must be in the books: at the sender's, since it signs nothing that it hasn't
// stored; at the recipient's, if that has taken it.
func (w *wire) kept() ([]acknowledged, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []acknowledged
	for _, t := range w.told {
		if from := t.from(); from < 0 || from >= len(worldInstances) {
			return nil, fmt.Errorf("from nobody: %s", t.body)
		}
		if t.Proof != nil {
			all = append(all, t.signed()...)
		} else {
			all = append(all, t.flattr()...)
		}
	}
	return all, nil
}

// signed: a document about money is kept by both with the content that was on the wire. Statements are made anew each
// time, and what is returned is in there once more.
func (t telling) signed() []acknowledged {
	id := t.ID
	switch {
	case t.Type == "Accept" || t.Type == "Reject":
		id = t.about() + "#answer"
	case t.Type == "Announce" || strings.Contains(t.ID, "/statements/"):
		return nil
	}
	content := "?"
	if d, err := vocab.Decode(t.body); err == nil {
		content, _ = d.ContentDigest()
	}
	return t.atBoth("document "+id, `select exists (select from document where id = $1 and content = $2 and sent)`,
		`select exists (select from document where id = $1 and content = $2 and not sent)`, id, content)
}

// flattr: the giver's home knows its click, the payee's its answer; an answer that was taken shows at the giver's home.
func (t telling) flattr() []acknowledged {
	like, home, payee := t.about(), t.to, t.from()
	const known = `select exists (select from flattr where id = reverse(split_part(reverse($1), '/', 1))::uuid and state <> 'unfunded')`
	switch t.Type {
	case "Like":
		return t.atBoth("flattr "+t.ID, known, `select exists (select from received_flattr where id = $1)`, t.ID)
	case "Undo":
		return t.atBoth("undo of "+like, `select exists (select from flattr where id = reverse(split_part(reverse($1), '/', 1))::uuid and state = 'undone')`,
			`select exists (select from received_flattr where id = $1 and undone_at is not null)
			  or exists (select from tombstone where id = $1)`, like)
	case "Accept":
		if !strings.Contains(like, "/flattrs/") {
			return nil
		}
		all := []acknowledged{{payee, "promise of " + like,
			`select exists (select from received_flattr where id = $1 and (answer = 'accept' or undone_at is not null))`, []any{like}}}
		if t.taken {
			all = append(all, acknowledged{home, "answer to " + like,
				`select exists (select from flattr where id = reverse(split_part(reverse($1), '/', 1))::uuid and state in ('accepted', 'undone'))`, []any{like}})
		}
		return all
	}
	return nil
}

func (t telling) atBoth(what, atSender, atRecipient string, args ...any) []acknowledged {
	all := []acknowledged{{t.from(), what + ", as sent", atSender, args}}
	if t.taken {
		all = append(all, acknowledged{t.to, what + ", as taken", atRecipient, args})
	}
	return all
}

// checkKept compares everything that was acknowledged with the books.
func (l *lane) checkKept(ctx context.Context) error {
	var all []acknowledged
	if l.busy != nil {
		all, _ = l.busy.done.since(0)
	}
	told, err := l.wire.kept()
	if err != nil {
		return err
	}
	return l.missing(ctx, append(all, told...))
}
