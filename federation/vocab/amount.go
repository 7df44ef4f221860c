package vocab

import (
	"regexp"
	"strconv"
)

// MaxAmount is the largest amount on the wire, in micro-units: 18 digits, which
// leaves an int64 room for the sum of nine of them before it would overflow.
const MaxAmount int64 = 1e18 - 1

// Scale is the only fl:assetScale we speak: amounts are micro-units, 10⁻⁶ of the
// currency's unit, so "123450000" EUR is 123.45 EUR (protocol §8).
const Scale = 6

var amountGrammar = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

// ParseAmount reads an amount in micro-units. Only a JSON string of the grammar
// ^(0|[1-9][0-9]{0,17})$ is one (protocol §8): numbers lose digits in other
// languages' decoders, and Go's own integer parsers also take signs, underscores
// and octal. The error is a *Fault with CodeAmount.
func ParseAmount(value any) (int64, error) {
	text, ok := value.(string)
	if !ok || !amountGrammar.MatchString(text) {
		return 0, &Fault{Code: CodeAmount, Rule: "an amount: a string of 1 to 18 digits"}
	}
	return strconv.ParseInt(text, 10, 64)
}

// FormatAmount writes an amount in micro-units. An amount that ParseAmount would
// refuse, negative or beyond MaxAmount, is a *Fault: a wrong sign must never
// reach a peer.
func FormatAmount(amount int64) (string, error) {
	if amount < 0 || amount > MaxAmount {
		return "", &Fault{Code: CodeAmount, Rule: "an amount from 0 to 999999999999999999"}
	}
	return strconv.FormatInt(amount, 10), nil
}

// AddAmounts adds two valid amounts; a sum beyond MaxAmount is a *Fault with
// CodeTotal, long before int64 would wrap.
func AddAmounts(a, b int64) (int64, error) {
	if a < 0 || b < 0 || a > MaxAmount-b {
		return 0, &Fault{Code: CodeTotal, Rule: "a sum of at most 18 digits"}
	}
	return a + b, nil
}
