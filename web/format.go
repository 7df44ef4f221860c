package web

import (
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/bojanz/currency"

	"github.com/fedflattr/flattrd/ledger"
)

// moneyFormat writes amounts as a language does: "0,10 €" or "€0.10".
type moneyFormat struct{ formatter *currency.Formatter }

func newMoneyFormat(lang string) moneyFormat {
	f := currency.NewFormatter(currency.NewLocale(lang))
	f.MaxDigits = 6
	return moneyFormat{f}
}

// text writes micro-units with every digit they have, at least the currency's own: 333333 is
// "0,333333 €". It never rounds.
func (m moneyFormat) text(micro int64, code string) string {
	a, err := currency.NewAmount(ledger.FormatPlain(micro), code)
	if err != nil {
		return ledger.FormatPlain(micro) + " " + code
	}
	return m.formatter.Format(a)
}

// html is text with the digits below a cent in small type: there to be checked, not to be read.
func (m moneyFormat) html(micro int64, code string) template.HTML {
	text := m.text(micro, code)
	_, fraction, _ := strings.Cut(ledger.FormatPlain(micro), ".")
	below := len(fraction) - 2
	if below <= 0 {
		return template.HTML(`<span class="money">` + template.HTMLEscapeString(text) + `</span>`)
	}
	end := strings.LastIndexAny(text, "0123456789") + 1
	return template.HTML(`<span class="money">` + template.HTMLEscapeString(text[:end-below]) +
		`<small>` + text[end-below:end] + `</small>` + template.HTMLEscapeString(text[end:]) + `</span>`)
}

// percent writes hundredths of a percent as a language does: 250 is "2.5 %" or "2,5 %".
func (sp *speech) percent(basisPoints int32) string {
	text := strconv.FormatInt(int64(basisPoints/100), 10)
	if rest := basisPoints % 100; rest != 0 {
		point := "."
		if sp.lang == "de" {
			point = ","
		}
		text += point + strings.TrimRight(strconv.FormatInt(int64(100+rest), 10)[1:], "0")
	}
	return text + "\u00a0%"
}

// symbol is a currency's sign, to stand behind an input.
func symbol(code, lang string) string {
	sign, ok := currency.GetSymbol(code, currency.NewLocale(lang))
	if !ok {
		return code
	}
	return sign
}

var monthNames = map[string][12]string{
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September",
		"October", "November", "December"},
	"de": {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
		"Oktober", "November", "Dezember"},
}

// day writes a date in UTC: "24 November 2026", "24. November 2026".
func (sp *speech) day(t time.Time) string {
	t = t.UTC()
	dot := ""
	if sp.lang == "de" {
		dot = "."
	}
	return strconv.Itoa(t.Day()) + dot + " " + monthNames[sp.lang][t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// month writes a period, "2026-11", as "November 2026".
func (sp *speech) month(period string) string {
	t, err := time.Parse("2006-01", period)
	if err != nil {
		return period
	}
	return monthNames[sp.lang][t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// timeTag is a date that machines read as well.
func (sp *speech) timeTag(t time.Time) template.HTML {
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `">` +
		template.HTMLEscapeString(sp.day(t)) + `</time>`)
}

// hostOf is the host of an IRI, for reading.
func hostOf(iri string) string {
	_, rest, ok := strings.Cut(iri, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// handleOf writes an actor's IRI as a handle: https://a.example/users/alice is @alice@a.example.
func handleOf(actor string) string {
	i := strings.LastIndexByte(actor, '/')
	host := hostOf(actor)
	if i < 0 || host == "" {
		return actor
	}
	return "@" + strings.TrimPrefix(actor[i+1:], "@") + "@" + host
}

// hostname is a host without its port.
func hostname(host string) string {
	name, _, _ := strings.Cut(host, ":")
	return name
}

func lines(text string) []string {
	var all []string
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, l)
		}
	}
	return all
}
