package ledger

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// PeerEvent is something that happened between us and a peer, without money moving.
type PeerEvent struct {
	Kind      string
	Note      string
	Operator  *string // nil: the program itself
	CreatedAt time.Time
}

// PeerEvents lists the latest of a peer, newest first.
func (l *Ledger) PeerEvents(ctx context.Context, host string, most int) ([]PeerEvent, error) {
	return rows[PeerEvent](l.pool.Query(ctx, `
		select e.kind, e.note, m.name as operator, e.created_at
		from peer_event e join peer p on p.id = e.peer left join member m on m.id = e.operator
		where p.host = $1 order by e.id desc limit $2`, host, most))
}

// note writes down what an operator did with a peer.
func (tx *Tx) note(ctx context.Context, peer int64, kind, note string, operator int64) error {
	_, err := tx.Exec(ctx, `
		insert into peer_event (peer, kind, note, operator, created_at) values ($1, $2, $3, $4, $5)`, peer, kind, note, operator, tx.at)
	return err
}

// maxNote is how long what an operator writes may be, in characters.
const maxNote = 2000

// noteText is what an operator has written, as one line without what can't be seen. FieldError: required, too-long.
func noteText(field, text string) (string, error) {
	text = strings.TrimSpace(Visible(strings.Join(strings.Fields(text), " ")))
	switch {
	case text == "":
		return "", refused(field, "required")
	case utf8.RuneCountInString(text) > maxNote:
		return "", refused(field, "too-long")
	}
	return text, nil
}
