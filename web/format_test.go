package web

import (
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

func TestMoney(t *testing.T) {
	words, err := loadSpeech()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		micro  int64
		code   string
		en, de string
		small  string // of the English one
	}{
		{0, "EUR", "€0.00", "0,00 €", ""},
		{100_000, "EUR", "€0.10", "0,10 €", ""},
		{90_909, "EUR", "€0.090909", "0,090909 €", "0909"},
		{333_333, "EUR", "€0.333333", "0,333333 €", "3333"},
		{1_234_567_890_000, "EUR", "€1,234,567.89", "1.234.567,89 €", ""},
		{-1_005_000, "EUR", "-€1.005", "-1,005 €", "5"},
		{2_500_000, "CHF", "CHF 2.50", "2,50 CHF", ""},
		{1, "USD", "$0.000001", "0,000001 $", "0001"},
	} {
		if got := plainSpaces(words["en"].money.text(c.micro, c.code)); got != c.en {
			t.Errorf("%d: %q, want %q", c.micro, got, c.en)
		}
		if got := plainSpaces(words["de"].money.text(c.micro, c.code)); got != c.de {
			t.Errorf("%d: %q, want %q", c.micro, got, c.de)
		}
		_, small, _ := strings.Cut(string(words["en"].money.html(c.micro, c.code)), "<small>")
		if small, _, _ = strings.Cut(small, "</small>"); small != c.small {
			t.Errorf("%d: small digits %q, want %q", c.micro, small, c.small)
		}
	}
}

// plainSpaces writes no-break spaces as spaces.
func plainSpaces(s string) string {
	return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(s)
}

// TestMoneyIsTyped: what a form is filled with can be sent back as it is.
func TestMoneyIsTyped(t *testing.T) {
	words, err := loadSpeech()
	if err != nil {
		t.Fatal(err)
	}
	for _, sp := range words {
		for _, micro := range []int64{0, 10_000, 1_230_000, 12_345_670_000} {
			if got, err := ledger.ParseAmount("x", sp.plain(micro)); err != nil || got != micro {
				t.Errorf("%s: %d became %q, then %d (%v)", sp.lang, micro, sp.plain(micro), got, err)
			}
		}
	}
}

func TestDates(t *testing.T) {
	words, err := loadSpeech()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("", 3600))
	if en, de := words["en"].day(at), words["de"].day(at); en != "28 February 2026" || de != "28. Februar 2026" {
		t.Errorf("%s, %s", en, de)
	}
	if de := words["de"].month("2026-03"); de != "März 2026" {
		t.Error(de)
	}
}

func TestHandles(t *testing.T) {
	for actor, want := range map[string]string{"https://a.example/users/alice": "@alice@a.example",
		"https://m.example/@bob": "@bob@m.example", "nonsense": "nonsense"} {
		if got := handleOf(actor); got != want {
			t.Errorf("%s: %s", actor, got)
		}
	}
}
