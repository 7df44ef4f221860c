package ledger

import (
	"cmp"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// mulDiv returns amount*w/total and the remainder, through 128 bits so that nothing overflows.
func mulDiv(amount, w, total int64) (quotient int64, remainder uint64) {
	if total == 0 {
		return 0, 0
	}
	hi, lo := bits.Mul64(uint64(amount), uint64(w))
	q, r := bits.Div64(hi, lo, uint64(total))
	return int64(q), r
}

func cmpDesc(a, b uint64) int { return cmp.Compare(b, a) }

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})([.,][0-9]{1,2})?$`)

// ParseAmount reads what a person types, "5", "5.00" or "5,00", into micro-units. Whole cents
// only; no sign, no grouping. Field names the form field in the error.
func ParseAmount(field, typed string) (int64, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return 0, refused(field, "required")
	}
	if !decimal.MatchString(typed) {
		return 0, refused(field, "amount")
	}
	unit, cents, _ := strings.Cut(strings.Replace(typed, ",", ".", 1), ".")
	u, err := strconv.ParseInt(unit, 10, 64)
	if err != nil {
		return 0, refused(field, "amount")
	}
	c, err := strconv.ParseInt((cents + "00")[:2], 10, 64)
	if err != nil {
		return 0, refused(field, "amount")
	}
	return u*unitPerMicro + c*microPerCent, nil
}

// FormatPlain writes micro-units as an unlocalised decimal with as many digits as it needs, at
// least two: 100000 is "0.10", 333333 is "0.333333".
func FormatPlain(amount int64) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	frac := strings.TrimRight(fmt.Sprintf("%06d", amount%unitPerMicro), "0")
	for len(frac) < 2 {
		frac += "0"
	}
	return fmt.Sprintf("%s%d.%s", sign, amount/unitPerMicro, frac)
}

// WholeCents is the part of an amount that a bank can move.
func WholeCents(amount int64) int64 { return amount - amount%microPerCent }
