package vocab

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseAmountTakesOnlyTheGrammar(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "10": 10, "123450000": 123450000, "999999999999999999": MaxAmount,
	} {
		if got, err := ParseAmount(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}

// The list of refusals is security case L3's, with the grammar of protocol §8.
func TestParseAmountRefusesEverythingElse(t *testing.T) {
	t.Parallel()
	for _, value := range []any{
		"1e9", "0.1000000001", "-1", "+1", "-0", "00012", "01", "00", "1.0", "1,00", "1_000", "0x10",
		" 1", "1 ", "1\n", "", "NaN", "Infinity", "٥", "１", "1\u00a0", "१", "9223372036854775808",
		"1000000000000000000", strings.Repeat("9", 60), strings.Repeat("1", 1<<20),
		nil, true, json.Number("5"), json.Number("1e3"), json.Number("9007199254740993"),
		[]any{"1"}, []any{json.Number("1")}, map[string]any{"amount": "1"}, 5, 5.0,
	} {
		amount, err := ParseAmount(value)
		var fault *Fault
		if !errors.As(err, &fault) || fault.Code != CodeAmount || amount != 0 {
			t.Errorf("%.40v: got %d, %v", value, amount, err)
		}
	}
}

func TestAmountsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, MaxAmount).Draw(t, "amount")
		text, err := FormatAmount(amount)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseAmount(text); err != nil || back != amount {
			t.Fatalf("%d became %q became %d, %v", amount, text, back, err)
		}
	})
}

func TestFormatAmountRefusesWhatNobodyCouldRead(t *testing.T) {
	t.Parallel()
	for _, amount := range []int64{-1, math.MinInt64, MaxAmount + 1, math.MaxInt64} {
		if text, err := FormatAmount(amount); FaultCode(err) != CodeAmount {
			t.Errorf("%d: got %q, %v", amount, text, err)
		}
	}
}

func TestAddAmountsStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	if sum, err := AddAmounts(MaxAmount-1, 1); err != nil || sum != MaxAmount {
		t.Errorf("at the limit: %d, %v", sum, err)
	}
	for _, pair := range [][2]int64{{MaxAmount, 1}, {1, MaxAmount}, {math.MaxInt64, math.MaxInt64}, {-1, 1}, {1, -1}} {
		if sum, err := AddAmounts(pair[0], pair[1]); FaultCode(err) != CodeTotal {
			t.Errorf("%v: got %d, %v", pair, sum, err)
		}
	}
}
