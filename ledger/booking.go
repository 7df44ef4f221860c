package ledger

import (
	"errors"
	"fmt"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Kinds of transfer: which table's row each books.
const (
	kindDeposit       = "deposit"          // bank → means
	kindBudget        = "budget"           // reservation: means → clearing, pending until settlement
	kindEarning       = "earning"          // clearing → earned: our giver, our payee
	kindClaim         = "claim"            // clearing → payable: our givers, another instance's payees
	kindReturn        = "return"           // share: payable → means, of a refused line
	kindLine          = "line"             // claim_line: receivable → announced
	kindPayment       = "payment"          // payable → bank, pending until the peer confirms
	kindPaymentShort  = "payment_short"    // suspense → bank: sent, but not acknowledged
	kindReceipt       = "receipt"          // payment: bank → receivable
	kindReceiptExcess = "receipt_excess"   // payment: bank → peer_credit
	kindAllocation    = "allocation"       // line_allocation: announced → earned, or cause
	kindNetting       = "netting"          // payment: payable → receivable; ours is pending until the peer confirms
	kindAdoption      = "adoption"         // claim: recovery → payable, an offer of ours that came back
	kindRecovery      = "recovery"         // claim: payable → recovery, a draft that it replaced, or its refused lines
	kindWithdrawal    = "withdrawal"       // earned → bank, pending until the operator has paid
	kindRefund        = "refund"           // withdrawal of a giver: means → bank, pending until the operator has paid
	kindPayout        = "payout"           // withdrawal of the instance: cause or fee → bank, pending until the operator has paid
	kindFee           = "fee"              // earned → fee
	kindDonation      = "donation"         // clearing → cause: budgets that no flattr took a share of; means or earned → a cause
	kindReversal      = "reversal"         // means → bank: what of a deposit recorded by mistake isn't given yet
	kindChargeback    = "chargeback"       // reversal: means → bank: the same of one that the bank took back
	kindLoss          = "loss"             // reversal: loss → bank: what of it is given
	kindAdvance       = "advance"          // line_advance: advance → earned
	kindRepayment     = "repayment"        // line_allocation: announced → advance, what had been advanced
	kindWriteOff      = "write_off"        // write_off_line: announced → receivable
	kindAdvanceLoss   = "advance_loss"     // write_off_line: loss → advance, what had been advanced
	kindReinstatement = "reinstatement"    // line_allocation: receivable → announced, what had been written off
	kindAdvanceBack   = "advance_recovery" // line_allocation: advance → loss, what had been lost
)

// book is the instance's books in the month that it books in: booked(journal.Post(ctx, tx.book(…), …)).
func (tx *Tx) book(period string) journal.Book {
	return journal.Book{Tx: tx.Tx, At: tx.at, Period: period, Currency: tx.l.inst.Currency}
}

// booked says the journal's refusals in this package's words.
func booked(err error) error {
	switch {
	case errors.Is(err, journal.ErrOverdraft):
		return fmt.Errorf("%w: %w", ErrFunds, err)
	case errors.Is(err, journal.ErrReused):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

func bank() journal.Account { return journal.Account{Kind: journal.Bank} }

func of(kind string, owner int64) journal.Account { return journal.Account{Kind: kind, Owner: owner} }
