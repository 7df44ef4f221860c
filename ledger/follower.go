package ledger

import "context"

// Follower is an actor elsewhere that follows a member here.
type Follower struct {
	Member   int64
	Actor    string
	FollowID string
}

// Follow records that actor follows a member and tells it so. Stored by (member, actor): servers
// send the same follow again under a new id, which replaces the old.
func (l *Ledger) Follow(ctx context.Context, name, actor, followID string) error {
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	m, err := row[Member](tx.Query(ctx, `
		select `+memberColumns+` from member where name = $1 and deleted_at is null for no key update`, name))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		insert into follower (member, actor, follow_id, created_at) values ($1, $2, $3, $4)
		on conflict (member, actor) do update set follow_id = excluded.follow_id`,
		m.ID, actor, followID, tx.at); err != nil {
		return err
	}
	tx.tell(Message{Kind: TellAcceptFollow, Key: name + " " + followID, To: actor})
	return tx.commit(ctx)
}

// Unfollow forgets a follower; unknown is fine.
func (l *Ledger) Unfollow(ctx context.Context, name, actor string) error {
	_, err := l.pool.Exec(ctx, `
		delete from follower f using member m where m.id = f.member and m.name = $1 and f.actor = $2`,
		name, actor)
	return err
}

// Followers counts a member's followers; the list itself is nobody's business.
func (l *Ledger) Followers(ctx context.Context, member int64) (int64, error) {
	var n int64
	err := l.pool.QueryRow(ctx, `select count(*) from follower where member = $1`, member).Scan(&n)
	return n, err
}

// tellFollowers tells every follower of a member the same thing.
func (tx *Tx) tellFollowers(ctx context.Context, member int64, kind, key string) error {
	all, err := rows[Follower](tx.Query(ctx, `
		select member, actor, follow_id from follower where member = $1 order by actor`, member))
	if err != nil {
		return err
	}
	for _, f := range all {
		tx.tell(Message{Kind: kind, Key: key, To: f.Actor})
	}
	return nil
}
