package web

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
)

// message is one entry of a locale: one text, or one per plural form.
type message map[string]string

func locale(t *testing.T, lang string) map[string]message {
	t.Helper()
	raw, err := locales.ReadFile("locales/" + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var parsed map[string]any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]message, len(parsed))
	for key, v := range parsed {
		all[key] = message{}
		switch v := v.(type) {
		case string:
			all[key]["other"] = v
		case map[string]any:
			for form, text := range v {
				all[key][form] = text.(string)
			}
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{\.\w+\}\}`)

// TestLocalesAgree: both languages have the same keys, the same plural forms and the same values to
// fill in, and no text is empty.
func TestLocalesAgree(t *testing.T) {
	en, de := locale(t, "en"), locale(t, "de")
	for key := range de {
		if _, ok := en[key]; !ok {
			t.Errorf("en lacks %s", key)
		}
	}
	for key, e := range en {
		d, ok := de[key]
		if !ok {
			t.Errorf("de lacks %s", key)
			continue
		}
		if !slices.Equal(slices.Sorted(maps.Keys(e)), slices.Sorted(maps.Keys(d))) {
			t.Errorf("%s: plural forms differ", key)
		}
		for form := range e {
			a, b := placeholder.FindAllString(e[form], -1), placeholder.FindAllString(d[form], -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s (%s): en fills in %v, de %v", key, form, a, b)
			}
			if strings.TrimSpace(e[form]) == "" || strings.TrimSpace(d[form]) == "" {
				t.Errorf("%s (%s) is empty", key, form)
			}
		}
	}
}

var (
	keyInTemplate = regexp.MustCompile(`\{\{-?\s*(?:t|tn) "([a-z0-9._-]+)"|\((?:t|tn) "([a-z0-9._-]+)"`)
	keyAsArgument = regexp.MustCompile(`"((?:nav|admin)\.[a-z-]+)"|input [^"]*"[a-z_-]+" "([a-z.]+)"|"hint" "([a-z._-]+)"|input \(filled [^)]*\)\) "[a-z]+" "([a-z.]+)"`)
	keyInCode     = regexp.MustCompile(`"(notice\.[a-z-]+)"`)
)

// usedKeys are the keys that templates and handlers name in full.
func usedKeys(t *testing.T) map[string]string {
	t.Helper()
	used := map[string]string{}
	collect := func(file, text string, forms ...*regexp.Regexp) {
		for _, form := range forms {
			for _, found := range form.FindAllStringSubmatch(text, -1) {
				for _, key := range found[1:] {
					if key != "" {
						used[key] = file
					}
				}
			}
		}
	}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := templates.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		collect(f, string(text), keyInTemplate, keyAsArgument)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sources {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f, "_test.go") {
			collect(f, string(text), keyInCode)
		}
	}
	return used
}

// builtKeys are the keys that templates put together from a state, a reason or a rule.
func builtKeys(t *testing.T) map[string]string {
	t.Helper()
	built := map[string]string{}
	add := func(prefix, suffix string, states ...string) {
		for _, s := range states {
			built[prefix+s+suffix] = "built from " + prefix
		}
	}
	add("state.", "", ledger.Unfunded, ledger.Sent, ledger.Held, ledger.Accepted, ledger.Rejected,
		ledger.Undone, ledger.Carried, ledger.Expired, ledger.Unclaimed)
	add("state.", ".text", ledger.Unfunded, ledger.Sent, ledger.Held, ledger.Carried, ledger.Expired)
	add("reason.", "", ledger.ReasonUnknownThing, ledger.ReasonNotAccepting, ledger.ReasonBlocked,
		ledger.ReasonOwnThing, ledger.ReasonPeriodClosed, ledger.ReasonOtherSplit,
		"unknown-payee", "deleted")
	add("refused.", "", "other")
	add("monthstate.", "", "open", "closed", "settled")
	add("settlement.", "", "splitting", "indexing", "checking", "publishing")
	add("claim.", "", "draft", "replaced", ledger.Offered, ledger.ClaimTaken, ledger.Refused, ledger.Superseded, ledger.Confirmed)
	add("claims.", "", "out", "in")
	add("source.", "", "pledged", "available", ledger.ClaimTaken, ledger.Confirmed)
	add("split.", "", ledger.SplitProposed, ledger.SplitConsented, ledger.SplitRefused, ledger.SplitWithdrawn)
	add("part.", "", ledger.PartAsked, ledger.PartConsented, ledger.PartRefused)
	add("payment.", "", "ordered", "sent", "announced", "confirmed", "not_received", "cancelled")
	add("withdrawal.", "", "requested", "paid", "refused")
	add("withdrawals.of.", "", ledger.OfEarnings, ledger.OfMeans, ledger.OfCause, ledger.OfFees)
	add("funds.", "", ledger.OfCause, ledger.OfFees)
	add("pledge.", "", ledger.Promised, ledger.Collected, ledger.Unused, ledger.Void)
	add("pledge.short.", "", ledger.Promised, ledger.Collected, ledger.Unused, ledger.Void)
	add("reverse.", "", ledger.Mistake, ledger.Chargeback)
	add("outcome.", "", "ours", "theirs", "agreed", "dropped")
	add("writeoff.", "", "proposed", "confirmed", "withdrawn")
	add("peer.key.", "", "pinned", "rotated", "confirmed")
	add("event.", "", "frozen", "unfrozen", "key-pinned", "key-confirmed", "key-rotated", "key-held", "key-adopted", "key-kept", "threshold",
		"advance-limit", "released", "write-off-proposed", "write-off-confirmed", "write-off-withdrawn")
	kept := []string{ledger.Unfunded, ledger.Rejected, ledger.Accepted, ledger.Held, ledger.Sent, ledger.Unclaimed}
	add("kept.", "", kept...)
	add("kept.", ".text", kept...)
	done := append(slices.Collect(maps.Keys(doneStates)), "cancelled")
	add("done.", "", done...)
	add("done.", ".text", done...)
	add("ns.", "", vocabulary...)
	for _, e := range errorPages {
		add("error.", ".title", e.key)
		add("error.", ".text", e.key)
	}
	add("error.internal.", "", "title", "text")
	return built
}

// TestEveryWordIsThere: no page shows a key for want of a message, and no message is left over.
func TestEveryWordIsThere(t *testing.T) {
	en := locale(t, "en")
	used, built := usedKeys(t), builtKeys(t)
	for _, keys := range []map[string]string{used, built} {
		for key, where := range keys {
			if _, ok := en[key]; !ok {
				t.Errorf("%s isn't in the locales (%s)", key, where)
			}
		}
	}
	for key := range en {
		_, isUsed := used[key]
		_, isBuilt := built[key]
		if !isUsed && !isBuilt && !strings.HasPrefix(key, "rule.") {
			t.Errorf("%s is never shown", key)
		}
	}
	if len(used) < 250 {
		t.Errorf("only %d keys found in use: the patterns miss the templates", len(used))
	}
}

var ruleInLedger = regexp.MustCompile(`refused\("([a-z_]+)", (?:"([a-z-]+)"|(\w+))\)`)
var ruleInWeb = regexp.MustCompile(`Field: (?:"([a-z_-]+)"|homeField), Rule: "([a-z-]+)"`)

// TestEveryRuleHasWords: whatever field rule the ledger or the site can refuse by, in each language.
func TestEveryRuleHasWords(t *testing.T) {
	words, err := loadSpeech()
	if err != nil {
		t.Fatal(err)
	}
	rules := map[ledger.FieldError]bool{}
	for _, dir := range []string{"../ledger/*.go", "*.go"} {
		files, err := filepath.Glob(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range ruleInLedger.FindAllStringSubmatch(string(text), -1) {
				constants := map[string]string{"ReasonOwnThing": "own-thing", "ReasonNotAccepting": "not-accepting"}
				rules[ledger.FieldError{Field: found[1], Rule: found[2] + constants[found[3]]}] = true
			}
			for _, found := range ruleInWeb.FindAllStringSubmatch(string(text), -1) {
				field := found[1]
				if field == "" {
					field = homeField
				}
				rules[ledger.FieldError{Field: field, Rule: found[2]}] = true
			}
		}
	}
	if len(rules) < 30 {
		t.Errorf("only %d rules found: the patterns miss them", len(rules))
	}
	for _, sp := range words {
		for rule := range rules {
			if text := sp.rule(rule); strings.HasPrefix(text, "rule.") {
				t.Errorf("%s: no words for %s: %s", sp.lang, rule.Field, rule.Rule)
			}
		}
	}
}
