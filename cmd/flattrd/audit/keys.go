package audit

import (
	"cmp"
	"fmt"
	"strings"
)

// transferKey is a row of transfer_key.
type transferKey struct {
	kind     string
	ref      int64
	phase    string
	transfer int64
	batch    string
}

func (k *transferKey) at() Finding {
	return Finding{Table: "transfer_key", Key: fmt.Sprintf("%s/%d/%s", k.kind, k.ref, k.phase)}
}

// key: a running transfer has its key, a settlement's has none.
func (b *books) key(t *transfer) {
	if strings.Contains(t.batch, "/settlement") {
		return
	}
	b.strayKeys(t)
	k := b.keys.head()
	if k == nil || k.compare(t) != 0 {
		b.a.find(Finding{Table: "transfer_key", Key: fmt.Sprintf("%s/%d/%s", t.kind, t.ref, t.phase), Expected: fmt.Sprintf("transfer %d/%s", t.id, t.batch), Found: "none"})
		return
	}
	b.a.sameKey(k, t)
	b.keys.next()
}

func (a *auditor) sameKey(k *transferKey, t *transfer) {
	at := k.at()
	at.Why = fmt.Sprintf("transfer %d/%s", t.id, t.batch)
	same(a, at, "transfer", t.id, k.transfer)
	same(a, at, "batch", t.batch, k.batch)
}

// strayKeys are keys before a transfer's (or, without one, all that is left) that no running transfer has.
func (b *books) strayKeys(t *transfer) {
	for k := b.keys.head(); k != nil && (t == nil || k.compare(t) < 0); k = b.keys.head() {
		at := k.at()
		at.Expected, at.Found, at.Why = "a transfer", "none", fmt.Sprintf("transfer %d/%s", k.transfer, k.batch)
		b.a.find(at)
		b.keys.next()
	}
}

func (k *transferKey) compare(t *transfer) int {
	return cmp.Or(cmp.Compare(k.kind, t.kind), cmp.Compare(k.ref, t.ref), cmp.Compare(k.phase, t.phase))
}
