package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger"
)

// TestAmountsAreReadAsWritten: what FormatPlain writes, ParseAmount reads, with a point or a comma.
func TestAmountsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 99_999_999_999)).Draw(t, "cents") * 10_000
		text := ledger.FormatPlain(amount)
		for _, typed := range []string{text, strings.Replace(text, ".", ",", 1), " " + text + "\n"} {
			if got, err := ledger.ParseAmount("budget", typed); err != nil || got != amount {
				t.Fatalf("%q is %d, %v; want %d", typed, got, err, amount)
			}
		}
	})
}

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]int64{"5": 5_000_000, "5.00": 5_000_000, "5,00": 5_000_000, "0": 0, "0.1": 100_000,
		"0,01": 10_000, "999999999.99": 999_999_999_990_000, "\t7 ": 7_000_000} {
		if got, err := ledger.ParseAmount("amount", typed); err != nil || got != want {
			t.Errorf("%q is %d, %v", typed, got, err)
		}
	}
	for typed, rule := range map[string]string{"": "required", "  ": "required", "1e9": "amount", "0.001": "amount", "-1": "amount",
		"+1": "amount", "-0": "amount", "00012": "amount", "1.": "amount", ".5": "amount", "1_000": "amount", "1.000,00": "amount",
		"1,000.00": "amount", "0x10": "amount", "NaN": "amount", "Infinity": "amount", "٥": "amount", "１": "amount", "१": "amount",
		"1 000": "amount", "1000000000": "amount", "5€": "amount", "5 EUR": "amount", "9223372036854775808": "amount",
		strings.Repeat("9", 60): "amount", "5\x00": "amount", "5.00.00": "amount"} {
		got, err := ledger.ParseAmount("amount", typed)
		if field := new(ledger.FieldError); got != 0 || !errors.As(err, &field) || *field != (ledger.FieldError{Field: "amount", Rule: rule}) {
			t.Errorf("%q is %d, %v; want %s", typed, got, err, rule)
		}
	}
}

func TestFormatPlain(t *testing.T) {
	t.Parallel()
	for amount, want := range map[int64]string{0: "0.00", 1: "0.000001", 333_333: "0.333333", 100_000: "0.10", 1_000_000: "1.00",
		1_234_500: "1.2345", -1: "-0.000001", -2_500_000: "-2.50", most: "999999999999.999999"} {
		if got := ledger.FormatPlain(amount); got != want {
			t.Errorf("%d is %q, want %q", amount, got, want)
		}
	}
}

// TestWholeCents: what a bank can move, and less than a cent that it can't.
func TestWholeCents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := amounts(0).Draw(t, "amount")
		if got := ledger.WholeCents(amount); got%10_000 != 0 || amount-got < 0 || amount-got >= 10_000 {
			t.Fatalf("%d of %d", got, amount)
		}
	})
}
