package federation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// Kept is a signed document about money as it is kept: every byte that was sent or came.
type Kept struct {
	ID        string    `json:"id"` // the document's, or of the one it answers with #answer behind it
	Sent      bool      `json:"sent"`
	CreatedAt time.Time `json:"kept"`
}

// Evidence lists what is kept with one host, in or out, the oldest first; "" is all.
func Evidence(ctx context.Context, pool *pgxpool.Pool, host string) ([]Kept, error) {
	found, err := pool.Query(ctx, `
		select id, sent, created_at from document
		where $1 = '' or position('//' || $1 || '/' in body) > 0
		order by created_at, id`, host)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[Kept])
}

// EvidenceOf lists what is kept of claims and payments, by their ids: what was said and what was answered.
func EvidenceOf(ctx context.Context, pool *pgxpool.Pool, ids []string) ([]Kept, error) {
	found, err := pool.Query(ctx, `
		select id, sent, created_at from document
		where id = any($1) or id = any(select i || '#answer' from unnest($1) i) order by created_at, id`, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[Kept])
}

// KeptDocument is a kept document's bytes; ledger.ErrNotFound.
func KeptDocument(ctx context.Context, pool *pgxpool.Pool, id string) ([]byte, error) {
	var body string
	err := pool.QueryRow(ctx, `select body from document where id = $1`, id).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("%w: no document %s is kept", ledger.ErrNotFound, id)
	}
	return []byte(body), err
}

// Proven is what a signed document proves: that whoever had this key said this, and when by their clock.
type Proven struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	By          string `json:"by"`          // the key
	Fingerprint string `json:"fingerprint"` // of it
	Made        string `json:"made"`        // RFC 3339
	Lines       int64  `json:"lines,omitempty"`
	Amount      string `json:"amount,omitempty"` // micro-units; of a claim
	Currency    string `json:"currency,omitempty"`
}

// VerifyEvidence checks a document's proof (FEP-8b32) by the key, a Multikey, and a claim's total and digest by its
// lines: those in it, or else these, a JSON array. It needs no network and no books, so it can be done by
// anybody, years later. Errors say what isn't proved.
func VerifyEvidence(doc []byte, multikey string, lines []byte) (p Proven, err error) {
	method := signature.ProofMethod(doc)
	key, err := signature.ParseMultikey(method, "", multikey)
	if err != nil {
		return p, err
	}
	if _, err := signature.VerifyProof(doc, key); err != nil {
		return p, err
	}
	var said struct {
		ID, Type string
		Proof    struct{ Created string }
	}
	if err := json.Unmarshal(doc, &said); err != nil {
		return p, err
	}
	p = Proven{ID: said.ID, Type: said.Type, By: method, Fingerprint: key.Fingerprint(), Made: said.Proof.Created}
	if parsed, failed := vocab.Decode(doc); said.Type == "Offer" && failed == nil {
		if asked, _, _ := parsed.Embedded("object"); asked.Is(vocab.SplitType) {
			return p, nil
		}
		err = p.claim(doc, lines)
	}
	return p, err
}

// claim adds what a claim says, once its lines bear that out.
func (p *Proven) claim(doc, lines []byte) error {
	parsed, err := vocab.Decode(doc)
	if err != nil {
		return err
	}
	c, err := vocab.ParseClaim(parsed)
	if err != nil {
		return err
	}
	p.Lines, p.Currency = c.LineCount, c.AssetCode
	if p.Amount, err = vocab.FormatAmount(c.Amount); err != nil || !c.Paged() {
		return err
	}
	if lines == nil {
		return nil // the proof holds for the digest
	}
	all, err := vocab.ParseLines(lines)
	if err != nil {
		return err
	}
	total, err := vocab.SumLines(all)
	if err != nil {
		return err
	}
	digest, err := vocab.LinesDigest(all)
	if err == nil && (digest != c.Digest || total != c.Amount || int64(len(all)) != c.LineCount) {
		err = fmt.Errorf("these aren't the claim's lines: %d lines of %d in all with %s, the claim says %d of %d with %s",
			len(all), total, digest, c.LineCount, c.Amount, c.Digest)
	}
	return err
}

// KeyOf finds the key that a document names among those that are kept: all that peers have had for their money, and our
// own, retired ones too. Where two keys had one name, it is the one that proves the document.
// ledger.ErrNotFound.
func KeyOf(ctx context.Context, pool *pgxpool.Pool, l *ledger.Ledger, doc []byte) (multikey string, err error) {
	method := signature.ProofMethod(doc)
	own, err := OwnAccountingKeys(ctx, pool, l)
	if err != nil {
		return "", err
	}
	for _, k := range own {
		if k.ID == method {
			return k.Multikey, nil
		}
	}
	id, err := url.Parse(method)
	if err != nil {
		id = &url.URL{}
	}
	keys, err := l.PeerKeys(ctx, id.Host)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.KeyID != method {
			continue
		}
		multikey = k.Key
		if key, err := signature.ParseMultikey(method, "", k.Key); err == nil {
			if _, err := signature.VerifyProof(doc, key); err == nil {
				return multikey, nil
			}
		}
	}
	if multikey == "" {
		err = fmt.Errorf("%w: the key %q isn't known here: name it with --key", ledger.ErrNotFound, method)
	}
	return multikey, err
}
