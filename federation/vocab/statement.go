package vocab

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-fed/activity/streams"
)

// maxRecords bounds a statement: 13 months with a peer are a few dozen documents.
const maxRecords = 2_000

// maxStatement is the largest statement in bytes: only peers read them, and they take as much.
const maxStatement = MaxBytes - 4096 // with room for the proof

// A Statement tells a peer daily what its sender has on record between the two (protocol §9): every signed claim
// and payment of the last months with the digests of its content and of the answer's. It is valid only with a
// proof by the sender's accounting key.
type Statement struct {
	ID         string // of the Create
	Actor      string // instance actor
	To         string // the peer's
	Published  time.Time
	InReplyTo  string // the peer's statement that this one answers; "": it asks for an answer
	Sequence   int64  // counts the sender's statements to this peer, from 1
	Seen       int64  // the highest sequence number of the peer's that came
	Receivable int64  // micro-units that the peer owes the sender's members, by these documents
	Payable    int64  // and the sender the peer's
	AssetCode  string
	Records    []Record
}

// A Record is one document and its answer.
type Record struct {
	ID      string // of the offer or payment, on the host of who made it
	Content string // SHA-256 of the JCS without proof
	Answer  string // the same of the answer; "": there is none
}

// wireRecord has its members in JCS's order.
type wireRecord struct {
	Answer  string `json:"answer,omitempty"`
	Content string `json:"content"`
	ID      string `json:"id"`
}

// RenderStatement writes a statement, without proof.
func RenderStatement(s Statement) ([]byte, error) {
	records := make([]wireRecord, len(s.Records))
	for i, r := range s.Records {
		records[i] = wireRecord{Answer: r.Answer, Content: r.Content, ID: r.ID}
	}
	receivable, err := FormatAmount(s.Receivable)
	if err != nil {
		return nil, err
	}
	payable, err := FormatAmount(s.Payable)
	if err != nil {
		return nil, err
	}
	object := map[string]any{
		"type":          "fl:Statement",
		"id":            s.ID + "#statement",
		"attributedTo":  s.Actor,
		"fl:sequence":   s.Sequence,
		"fl:seen":       s.Seen,
		"fl:receivable": receivable,
		"fl:payable":    payable,
		"fl:assetCode":  s.AssetCode,
		"fl:assetScale": Scale,
		"fl:records":    records,
	}
	if s.InReplyTo != "" {
		object["inReplyTo"] = s.InReplyTo
	}
	create := streams.NewActivityStreamsCreate()
	members, err := compose(create, s.ID).by(create, s.Actor).addressed([]string{s.To}, nil).
		published(s.Published).set("object", object).members()
	if err != nil {
		return nil, err
	}
	return finishWithin(members, statementContext, maxStatement)
}

// ParseStatement reads a statement. Errors are *Fault.
func ParseStatement(d Document) (Statement, error) {
	r := read(d, "Create")
	s := Statement{ID: r.ref("id"), Actor: r.ref("actor"), To: r.ref("to"), Published: r.published()}
	inner := readAs(r.embedded("object"), StatementType)
	s.InReplyTo = inner.optRef("inReplyTo")
	s.Sequence = inner.count(TermSequence, 1<<53)
	s.Seen = inner.count(TermSeen, 1<<53)
	s.Receivable, s.Payable = inner.amount(TermReceivable), inner.amount(TermPayable)
	s.AssetCode = inner.asset()
	s.Records = inner.records()
	r.keep(inner.err)
	return s, r.err
}

func (r *reader) records() []Record {
	value, path, err := r.doc.lookup(TermRecords)
	r.keep(err)
	rows, ok := value.([]any)
	if !ok || len(rows) > maxRecords {
		r.keep(missingOr(value, path, CodeKind, fmt.Sprintf("a list of at most %d records", maxRecords)))
		return nil
	}
	seen := map[string]bool{}
	records := make([]Record, 0, len(rows))
	for i, entry := range rows {
		row, err := readRow(entry)
		if err == nil {
			record := Record{ID: row.address("id"), Content: row.digest("content")}
			if row.has("answer") {
				record.Answer = row.digest("answer")
			}
			if err = row.err; seen[record.ID] && err == nil {
				err = &Fault{Code: CodeOrder, Path: "/id", Rule: "each document once"}
			}
			seen[record.ID] = true
			records = append(records, record)
		}
		r.keep(at(fmt.Sprintf("%s/%d", path, i), err))
	}
	return records
}

// A Return gives a peer what it lacks by its statement: a signed document, whoever made it, and the answer to it
// if there is one. It is valid only with a proof by the sender's accounting key; what it carries has proofs of
// its own.
type Return struct {
	ID        string // of the Announce
	Actor     string
	To        string
	Published time.Time
	Object    string   // the returned document's id
	Returned  Document // an Offer, or the Create of a Payment
	Answer    Document // to it; the zero Document: none
}

// RenderReturn writes the Announce of a returned document, without proof.
func RenderReturn(v Return) ([]byte, error) {
	announce := streams.NewActivityStreamsAnnounce()
	d := compose(announce, v.ID).by(announce, v.Actor).addressed([]string{v.To}, nil).published(v.Published).
		set("object", v.Object).set("fl:returned", json.RawMessage(v.Returned.Raw()))
	if v.Answer.members != nil {
		d = d.set("fl:answer", json.RawMessage(v.Answer.Raw()))
	}
	return d.render(statementContext)
}

// ParseReturn reads a returned document; what it carries is not read yet. Errors are *Fault.
func ParseReturn(d Document) (Return, error) {
	r := read(d, "Announce")
	v := Return{ID: r.ref("id"), Actor: r.ref("actor"), To: r.ref("to"), Published: r.published(), Object: r.ref("object"),
		Returned: r.literal(TermReturned), Answer: r.literal(TermAnswer)}
	if r.err == nil && v.Returned.members == nil {
		r.fail(CodeMissing, TermReturned, "a document")
	}
	return v, r.err
}

// Answered tells whether an answer came with it.
func (v Return) Answered() bool { return v.Answer.members != nil }
