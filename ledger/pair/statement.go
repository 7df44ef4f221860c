package pair

import "fmt"

// Record is what one side holds of a signed document and of its answer: their contents' digests, without the
// proofs. Answer is "" if there is none.
type Record struct {
	ID      string `json:"id"`
	Ours    bool   `json:"-"` // offered by the side that looks at it; the answer is then the other's
	Edge    bool   `json:"-"` // so old that the other side's statement may leave it out
	Content string `json:"content"`
	Answer  string `json:"answer,omitempty"`
}

// Statement is what one side tells the other daily, and when it starts (protocol §9).
type Statement struct {
	ID        string
	InReplyTo string // the statement of the other side that this one answers
	Sequence  int64  // of this side
	Seen      int64  // the highest of the other side
	Records   []Record
	Balance   int64 // of all records: what is owed to this side less what it owes, micro-units
}

// Standing is how far two sides have talked: our last sequence number, the peer's highest, whether we must
// reconcile first, and if so, the statement of ours whose answer may end that.
type Standing struct {
	Sent, Seen int64
	Held       bool
	Asked      string // the last statement of ours since we started
}

// Return names a record of which the other side lacks something. Lost: something that it had signed itself, so
// that it must take it back as it is; else it has only not come yet.
type Return struct {
	ID   string
	Lost bool
	Part string // what has not come: "" the document, Answered the answer to it
}

// Answered is the part of a record that is our answer.
const Answered = "answer"

// Comparison is what follows from a statement of the peer's.
type Comparison struct {
	Fault    *Fault // of the statement itself: nothing is compared, nothing changes
	Standing Standing
	Return   []Return // what the peer lacks, oldest first
	Freeze   string   // the sides contradict each other
	Lost     bool     // the peer holds what we have signed and don't have
	Restored bool     // news: the peer has seen more of us than we have sent
	Released bool     // news: nothing is held any more
	Agreed   bool     // both have the same records
	Reply    bool     // the peer asks for our statement
}

// Compare holds a peer's statement against our records, which are oldest first and whose balance is ours.
func Compare(s Standing, ours []Record, balance int64, theirs Statement) Comparison {
	if f := theirs.fault(); f != nil {
		return Comparison{Fault: f, Standing: s}
	}
	c := Comparison{Standing: s, Reply: theirs.InReplyTo == "", Agreed: true}
	c.Standing.Seen = max(s.Seen, theirs.Sequence)
	if theirs.Seen > s.Sent && !planted("reconcile-skipped") {
		c.Restored = true
		c.Standing.Sent, c.Standing.Held, c.Standing.Asked = theirs.Seen, true, ""
	}
	c.records(ours, theirs.Records)
	if c.Agreed && balance != -theirs.Balance {
		c.Freeze = fmt.Sprintf("same documents, other balance: %d here, %d there", balance, -theirs.Balance)
	}
	fresh := s.Asked != "" && (theirs.InReplyTo == s.Asked || planted("release-unasked")) && !c.Restored
	if c.Standing.Held && fresh && (!c.Lost || planted("release-lacking")) {
		c.Standing.Held, c.Released = false, true
	}
	if planted("contradiction-blind") {
		c.Freeze = ""
	}
	return c
}

// maxSequence is what every reader of JSON holds exactly. Statements are counted from 1; who counts further than
// anybody can would make us do it, too.
const maxSequence = 1<<53 - 1

func (t Statement) fault() *Fault {
	if t.Sequence < 1 || t.Sequence > maxSequence || t.Seen < 0 || t.Seen > maxSequence {
		return &Fault{"malformed", fmt.Sprintf("nobody counts to %d, having seen %d", t.Sequence, t.Seen)}
	}
	return nil
}

func (c *Comparison) records(ours, theirs []Record) {
	there := make(map[string]Record, len(theirs))
	for _, r := range theirs {
		there[r.ID] = r
	}
	both := 0
	for _, r := range ours {
		t, ok := there[r.ID]
		if ok || !r.Edge {
			c.record(r, t, ok)
		}
		if ok {
			both++
		}
	}
	if both == len(theirs) {
		return
	}
	here := make(map[string]bool, len(ours))
	for _, r := range ours {
		here[r.ID] = true
	}
	for _, t := range theirs {
		if !here[t.ID] {
			c.Agreed = false
			c.Lost = c.Lost || t.Ours || t.Answer != "" // an offer of ours, or our answer to one of theirs
		}
	}
}

// record compares what both may have of one document.
func (c *Comparison) record(r, t Record, there bool) {
	switch {
	case there && r.Content != t.Content:
		c.Freeze, c.Agreed = "two contents of "+r.ID, false
		return
	case there && r.Answer == t.Answer:
		return
	case there && r.Answer != "" && t.Answer != "":
		c.Freeze, c.Agreed = "two answers to "+r.ID, false
		return
	}
	c.Agreed = false
	if there && r.Answer == "" {
		c.Lost = c.Lost || !r.Ours
		return
	}
	if planted("statement-blind") {
		return
	}
	back := Return{ID: r.ID, Lost: r.Ours && r.Answer != "" || !r.Ours && !there}
	if !r.Ours {
		back.Part = Answered
	}
	c.Return = append(c.Return, back)
}
