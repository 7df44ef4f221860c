package simulation

// bank is outside of all hosts and is never put back. Who orders twice under one reference is paid once.
type bank struct {
	journals  [][]entry // by host
	transfers []transfer
}

// entry is a line of a host's account statement.
type entry struct {
	incoming  bool
	peer      int // from whom or to whom; -1: a giver's deposit
	giver     int // of a deposit
	reference string
	amount    int64 // micro-units, whole cents
}

type transfer struct {
	from, to  int
	reference string
	amount    int64 // what arrives
}

// patience is how long an operator waits for money that was announced.
const patience = 5 * day

// slowest is how long a transfer can take.
const slowest = 8 * day

func (w *world) deposit(h *host, giver int) {
	if w.quiet() {
		return
	}
	amount := (1 + w.rng.Int64N(2500)) * 10_000
	w.bank.journals[h.no] = append(w.bank.journals[h.no], entry{incoming: true, peer: -1, giver: giver, amount: amount})
}

// ordered tells whether the bank knows an order.
func (k *bank) ordered(from int, reference string) bool {
	for _, t := range k.transfers {
		if t.from == from && t.reference == reference {
			return true
		}
	}
	return false
}

// order takes an order. The transfer arrives in its time, or short, twice the amount, or never.
func (w *world) order(from, to int, reference string, amount int64) {
	if w.bank.ordered(from, reference) {
		return
	}
	t := transfer{from: from, to: to, reference: reference, amount: amount}
	delay, debited := w.within(2*day), amount
	if w.weather.badBank {
		switch w.rng.IntN(10) {
		case 0:
			delay = w.within(slowest)
		case 1:
			t.amount = 10_000 * (1 + w.rng.Int64N(amount/10_000))
		case 2:
			t.amount, debited = 2*amount, 2*amount
		case 3:
			t.amount = 0
		}
	}
	w.bank.transfers = append(w.bank.transfers, t)
	w.bank.journals[from] = append(w.bank.journals[from], entry{peer: to, reference: reference, amount: debited})
	w.at(w.now+delay, event{kind: arriving, n: int64(len(w.bank.transfers) - 1)})
}

func (w *world) arrive(e event) {
	if t := w.bank.transfers[e.n]; t.amount > 0 {
		w.bank.journals[t.to] = append(w.bank.journals[t.to], entry{incoming: true, peer: t.from, reference: t.reference, amount: t.amount})
	}
}

// balance is what is really on a host's account.
func (k *bank) balance(host int) (amount int64) {
	for _, e := range k.journals[host] {
		if e.incoming {
			amount += e.amount
		} else {
			amount -= e.amount
		}
	}
	return amount
}
