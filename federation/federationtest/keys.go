package federationtest

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation/signature"
)

// made holds one RSA key in PEM for each actor that a test process has met. An RSA key costs 50 ms of
// CPU; the hosts of all worlds have the same names, so that their actors can have the same keys.
var made = struct {
	sync.Mutex
	pem map[string]string
}{pem: map[string]string{}}

func rsaPEM(actor string) (string, error) {
	made.Lock()
	defer made.Unlock()
	if text, ok := made.pem[actor]; ok {
		return text, nil
	}
	key, err := signature.GenerateRSA(actor+"#main-key", actor)
	if err != nil {
		return "", err
	}
	text, err := key.PEM()
	made.pem[actor] = text
	return text, err
}

// giveKey puts an actor's RSA key where the server looks for it; the others it makes itself.
func giveKey(ctx context.Context, pool *pgxpool.Pool, actor string, now time.Time) error {
	text, err := rsaPEM(actor)
	if err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `
		insert into actor_key (actor, purpose, kind, private_pem, created_at) values ($1, 'main', 'rsa', $2, $3)
		on conflict do nothing`, actor, text, now)
	return err
}
