package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/fedflattr/flattrd/ledger"
)

// tableColumn is one of a table for people. Amounts stand with their points below each other.
type tableColumn struct {
	head    string
	amounts bool
	cells   []string
}

func (c *tableColumn) add(cell string)      { c.cells = append(c.cells, cell) }
func (c *tableColumn) addMoney(micro int64) { c.add(ledger.FormatPlain(micro)) }

// lay fills every cell up to the width of the column.
func (c *tableColumn) lay() []string {
	fraction := 0
	for _, cell := range c.cells {
		fraction = max(fraction, fractionOf(cell))
	}
	laid, width := []string{c.head}, utf8.RuneCountInString(c.head)
	for _, cell := range c.cells {
		if c.amounts {
			cell += strings.Repeat(" ", fraction-fractionOf(cell))
		}
		laid, width = append(laid, cell), max(width, utf8.RuneCountInString(cell))
	}
	for k, cell := range laid {
		room := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
		if c.amounts {
			laid[k] = room + cell
		} else {
			laid[k] = cell + room
		}
	}
	return laid
}

// fractionOf is the length of an amount from its point on.
func fractionOf(cell string) int {
	if point := strings.LastIndexByte(cell, '.'); point >= 0 {
		return len(cell) - point
	}
	return 0
}

// printTable writes columns of equal length side by side, and an empty line.
func printTable(out io.Writer, columns ...*tableColumn) {
	var lines []string
	for k, c := range columns {
		for row, cell := range c.lay() {
			if k == 0 {
				lines = append(lines, cell)
				continue
			}
			lines[row] += "  " + cell
		}
	}
	for _, line := range lines {
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(out)
}

// table prints the statement for people.
func (s statement) table(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n\n", s.Month)
	s.giverTable(out)
	s.claimTable(out)
	s.payeeTable(out)
	fmt.Fprintf(out, "Invariants: %s\n", s.Invariants)
}

func (s statement) giverTable(out io.Writer) {
	giver, count := &tableColumn{head: "GIVER"}, &tableColumn{head: "FLATTRS", amounts: true}
	budget, each := &tableColumn{head: "BUDGET", amounts: true}, &tableColumn{head: "EACH", amounts: true}
	rolled, returned := &tableColumn{head: "ROLLED OVER", amounts: true}, &tableColumn{head: "RETURNED", amounts: true}
	for _, g := range s.Givers {
		giver.add(g.Giver)
		budget.addMoney(g.Budget)
		count.add(fmt.Sprint(len(g.Shares)))
		each.add(g.each())
		rolled.addMoney(g.RolledOver)
		returned.addMoney(g.Returned)
	}
	printTable(out, giver, budget, count, each, rolled, returned)
}

func (s statement) claimTable(out io.Writer) {
	from, to := &tableColumn{head: "CLAIM FROM"}, &tableColumn{head: "TO"}
	amount, state := &tableColumn{head: "AMOUNT", amounts: true}, &tableColumn{head: "STATE"}
	for _, c := range s.Claims {
		from.add(c.From)
		to.add(c.To)
		amount.addMoney(c.Amount)
		state.add(c.State)
	}
	printTable(out, from, to, amount, state)
}

func (s statement) payeeTable(out io.Writer) {
	payee, announced := &tableColumn{head: "PAYEE"}, &tableColumn{head: "ANNOUNCED", amounts: true}
	available, withdrawn := &tableColumn{head: "AVAILABLE", amounts: true}, &tableColumn{head: "WITHDRAWN", amounts: true}
	for _, p := range s.Payees {
		payee.add(p.Payee)
		announced.addMoney(p.Announced)
		available.addMoney(p.Available)
		withdrawn.addMoney(p.Withdrawn)
	}
	printTable(out, payee, announced, available, withdrawn)
}

// each is what a flattr came to: one amount, or the two that differ by a micro-unit.
func (g giverMonth) each() string {
	if len(g.Shares) == 0 {
		return ""
	}
	low, high := g.Shares[0].Amount, g.Shares[0].Amount
	for _, share := range g.Shares {
		low, high = min(low, share.Amount), max(high, share.Amount)
	}
	if low == high {
		return ledger.FormatPlain(low)
	}
	return ledger.FormatPlain(low) + " or " + ledger.FormatPlain(high)
}
