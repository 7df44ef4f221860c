package pair

// State of a claim (protocol §9).
type State string

// Draft: settled and booked, but not offered, because the peer may hold what we have signed before a restore.
// Replaced: a draft in whose place such an offer stands. Superseded: refused, with a successor.
const (
	Draft      State = "draft"
	Offered    State = "offered"
	Accepted   State = "accepted"
	Refused    State = "refused"
	Superseded State = "superseded"
	Confirmed  State = "confirmed"
	Replaced   State = "replaced"
)

// Claim is what one side owes the other's members for a month, as one of both has it on record.
type Claim struct {
	Row        int64  // the caller's key; 0: not on record yet
	IRI        string // "": a draft
	Incoming   bool   // it is the peer's
	Period     string
	N          int32
	Amount     int64  // micro-units
	Digest     string // of the lines
	Content    string // of the signed offer; "": a tombstone, superseded before it was seen
	State      State
	Answer     string    // "", Accept or Reject
	Refusals   []Refusal // of a Reject, by payee
	Lines      []Line    // by payee; only where a decision needs them
	Supersedes string    // a claim's IRI
	Adopted    bool      // ours, lost with a database and returned by the peer
	Allocated  int64     // of Amount, what payments cover: confirmed, or still on their way
	Paid       int64     // of Amount, what payments cover for sure
}

// Line is what a claim gives one payee, in micro-units.
type Line struct {
	Payee  string
	Amount int64
}

// Refusal is a line that the payee's home refuses (protocol §8).
type Refusal struct{ Payee, Reason string }

// What an answer says.
const (
	Accept = "accept"
	Reject = "reject"
)

// Binding tells whether a claim is owed for good: the payees' home has accepted it.
func (c Claim) Binding() bool { return c.State == Accepted || c.State == Confirmed }

// Open is what of a claim no payment covers, in micro-units.
func (c Claim) Open() int64 { return c.Amount - c.Allocated }

// Payment states (protocol §9). A netting is a payment by netting: it has no order, and the peer's answer
// confirms it at once.
const (
	Ordered     = "ordered"
	Sent        = "sent"
	Announced   = "announced"
	Paid        = "confirmed"
	NotReceived = "not_received"
	Cancelled   = "cancelled"
)

// Netting is the method of a payment by which both sides' claims pay each other.
const Netting = "netting"

// Payment moves money between two instances: by bank, or by netting.
type Payment struct {
	Row         int64 // the caller's key; 0: not on record yet
	IRI         string
	Incoming    bool // the peer's
	Method      string
	Amount      int64 // micro-units; by bank, whole cents
	Reference   string
	Content     string // of the signed notice
	State       string
	Received    int64 // what arrived
	Allocations []Allocation
}

// Allocation is what a payment pays of one claim.
type Allocation struct {
	Claim     string // IRI
	Incoming  bool   // the claim is the peer's
	Amount    int64
	Confirmed int64
}

// Answered tells whether the payees' side has spoken.
func (y Payment) Answered() bool { return y.State == Paid || y.State == NotReceived }

// Peer is what a decision needs to know of the other side.
type Peer struct {
	Host   string
	Frozen string // why; "": not frozen
	Held   bool   // reconcile first (protocol §9): since we started, it hasn't shown what it holds of ours
	Stuck  bool   // held for longer than messages take: what doesn't fit now never will
}

// Fault of a message itself (protocol §8): nothing is stored and the same id may come again, corrected.
// Code is the problem type's last part; Reconciling is temporary.
type Fault struct{ Code, Detail string }

func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Reconciling is the code of a fault that goes away by itself.
const Reconciling = "reconciling"

// Decision is what follows from an event. Nothing of it is done if Fault is set; all of it is done at once
// otherwise.
type Decision struct {
	Fault    *Fault
	Conflict string    // the message contradicts what stands; what else the decision says is done all the same
	Freeze   string    // the peer's claims freeze for this reason
	Restored bool      // what came is proof that we have lost what we had signed
	Claims   []Claim   // as they stand afterwards, in this order; Row 0: new
	Payments []Payment // the same
	Post     []Posting
	Tell     []Message
}

// Message names what the peer is told.
type Message struct{ What, Key string }

// What is told.
const (
	TellClaim         = "claim"
	TellClaimAnswer   = "claim-answer"
	TellPayment       = "payment"
	TellPaymentAnswer = "payment-answer"
)

// Posting is a movement of money that a decision makes.
type Posting struct {
	Kind   Movement
	Key    string // the claim's or payment's IRI; "": the draft of Row
	Amount int64  // micro-units
	Row    int64
}

// Movement says from where to where, in package ledger's accounts.
type Movement string

// The movements.
const (
	Announce  Movement = "announce"  // a claim's lines: receivable → the payees' announced
	GiveBack  Movement = "give-back" // a claim's refused lines: payable → their givers
	Recover   Movement = "recover"   // payable → recovery: what an adopted claim owes less, or a draft that was replaced
	Adopt     Movement = "adopt"     // recovery → payable: an own offer that came back
	Reserve   Movement = "reserve"   // a payment: payable → bank, pending
	Void      Movement = "void"      // the reservation is given back
	Settle    Movement = "settle"    // the reservation is posted, up to the amount; what is short stands in suspense
	Arrive    Movement = "arrive"    // bank → receivable, and what is too much to the peer's credit
	NetOut    Movement = "net"       // payable → receivable, of the amount
	NetHold   Movement = "net-hold"  // payable → receivable, pending
	Available Movement = "available" // of a claim of the peer's: announced → earned, over its lines
)

// waits tells whether nothing new may be signed or taken: we may have signed before what we no longer know.
func (p Peer) waits() bool { return p.Held && !planted("reconcile-skipped") }

func waiting() Decision {
	return fault(Reconciling, "statements are compared first; ask again later")
}

func fault(code, detail string) Decision { return Decision{Fault: &Fault{Code: code, Detail: detail}} }

// contradicted is a conflict that freezes the pair.
func contradicted(detail string) Decision { return Decision{Conflict: detail, Freeze: detail} }

func conflict(detail string) Decision { return Decision{Conflict: detail} }
