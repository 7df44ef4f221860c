package web

import (
	"embed"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"github.com/fedflattr/flattrd/ledger"
)

//go:embed locales
var locales embed.FS

// languages that the site speaks; the first is for everyone else.
var languages = []string{"en", "de"}

var languageMatcher = language.NewMatcher([]language.Tag{language.English, language.German})

// speech says things in one language.
type speech struct {
	lang      string
	localizer *i18n.Localizer
	money     moneyFormat
}

func loadSpeech() (map[string]*speech, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	all := make(map[string]*speech, len(languages))
	for _, l := range languages {
		if _, err := bundle.LoadMessageFileFS(locales, "locales/"+l+".json"); err != nil {
			return nil, err
		}
	}
	for _, l := range languages {
		all[l] = &speech{lang: l, localizer: i18n.NewLocalizer(bundle, l), money: newMoneyFormat(l)}
	}
	return all, nil
}

// say returns a message; pairs are its values, name after name. A missing key is an error of the
// program, which a test finds; the page shows the key.
func (sp *speech) say(key string, pairs ...any) string {
	return sp.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: values(pairs)}, key)
}

// count returns a message in the plural form of n, which it can name as {{.N}}.
func (sp *speech) count(key string, n any, pairs ...any) string {
	data := values(pairs)
	data["N"] = n
	return sp.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: data, PluralCount: n}, key)
}

func (sp *speech) localize(c *i18n.LocalizeConfig, key string) string {
	text, err := sp.localizer.Localize(c)
	if err != nil {
		return key
	}
	return text
}

// reason says why a flattr wasn't taken. Peers may send words that this version doesn't know: those are
// shown as they came.
func (sp *speech) reason(why string) string {
	key := "reason." + why
	if text := sp.say(key); text != key {
		return text
	}
	return sp.say("refused.other", "Reason", why)
}

func values(pairs []any) map[string]any {
	m := make(map[string]any, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// preferred is a stranger's language: the one they chose here, else their browser's.
func (s *Site) preferred(r *http.Request) string {
	if chosen := s.cookie(r, langCookie); chosen == "de" || chosen == "en" {
		return chosen
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return languages[0]
	}
	_, i, _ := languageMatcher.Match(tags...)
	return languages[i]
}

// setLanguage keeps a reader's choice: in the account, else in a cookie.
func (s *Site) setLanguage(w http.ResponseWriter, r *http.Request, v visit) error {
	chosen := r.PostForm.Get("language")
	if err := checkLanguage(chosen); err != nil {
		return err
	}
	if v.member != nil {
		if err := s.ledger.SetLanguage(r.Context(), v.member.ID, chosen); err != nil {
			return err
		}
	}
	s.setCookie(w, langCookie, chosen, 400*24*time.Hour)
	http.Redirect(w, r, s.lastPage(r, "/"), http.StatusSeeOther)
	return nil
}

func checkLanguage(chosen string) error {
	if !slices.Contains(languages, chosen) {
		return &ledger.FieldError{Field: "language", Rule: "unknown"}
	}
	return nil
}
