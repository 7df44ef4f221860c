package audit

import "fmt"

// After a restored backup, claims that were signed before come back, and what was settled again gives way to them
// (FEDERATION.md §9).

// unoffered: nobody was told of the claim. A draft waits until statements are compared; a replaced one had been offered
// otherwise before the restore.
func (c *claim) unoffered() bool { return c.state == "draft" || c.state == "replaced" }

// checkRestored: nothing is a draft longer than statements are compared, and in the place of one that was replaced
// stands what came back.
func (a *auditor) checkRestored(c *claim) {
	at, p := c.at(), a.peers[c.peer]
	if p == nil {
		return // is told already
	}
	at.Why = "it is " + c.state
	switch c.state {
	case "draft":
		same(a, at, "statements are compared with "+p.host, true, p.held)
	case "replaced":
		same(a, at, "an offer of the month came back", true, a.returned[c.key()])
	default:
		return
	}
	same(a, at, "adopted", false, c.adopted)
}

// checkOldAnswer holds a line of an offer that came back with our own answer to whom it is for. What it says stands: who
// was here then may be unknown now.
func (a *auditor) checkOldAnswer(c *claim, l *line, at Finding, member string, reason string) {
	if l.member == nil && reason == "unknown-payee" {
		member = "none" // whoever has the name since then
	}
	same(a, at, "member", member, orNone(l.member))
	switch reason {
	case "none":
	case "unknown-payee":
		same(a, at, "member", "none", orNone(l.member))
	default:
		same(a, at, "refused", "deleted", reason)
	}
}

// statement is a document about all that stands between two instances. It is kept where it is evidence of a loss or of
// a contradiction, and only its proof is held to anything.
func (e *evidence) statement(d *document) bool {
	for _, s := range e.peers {
		if s.host != authority(d.id) || d.sent {
			continue
		}
		root, err := readObject([]byte(d.body))
		if err != nil || root.object("object").kind() != ns+"Statement" {
			return false
		}
		at := d.at()
		at.Why = "a statement of " + s.host
		if proven := e.proven(at, []byte(d.body), s); proven != nil {
			same(e.a, at, "body: id", d.id, proven.root.text("id"))
			same(e.a, at, "content", proven.content, d.content)
		}
		return true
	}
	return false
}

// sideOf spells which of both sides a payment pays: of a netting, the one whose claim it is.
func (y *payment) sideOf(c *claim) string {
	if y.method == netting {
		return fmt.Sprint(c.direction, y.peer)
	}
	return fmt.Sprint(y.direction, y.peer)
}
