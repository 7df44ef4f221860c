// Package web is the site that people use: server-rendered pages in German and English, the button
// that is pasted on other sites, and the popup it opens.
//
// # One request
//
// server.go holds one table of all routes. Each names its guard (public, member, operator), its
// frame (page, popup, embed, asset) and whether it changes state; only POST may. A request passes
// the host check, the security headers of its frame, the cross-origin check, the session, the
// guard, and then one handler:
//
//	func (s *Site) home(w http.ResponseWriter, r *http.Request, v visit) error
//
// The visit says who asks and in which language; it is a parameter, never hidden in a context.
// A handler calls one ledger method, then renders a template or redirects. What it returns as an
// error, errors.go turns into a page: one table from the ledger's sentinels to a status and words.
//
// # The popup
//
// A click on a button opens the payee's instance (C), never the visitor's own (H), because only C
// is known to the page it stands on:
//
//	C  GET  /f/{id}          asks "where is your home?"; remembers it in a first-party cookie
//	C  POST /f/{id}          WebFinger on the home, then 303 to its flattr intent
//	H  GET  /intents/flattr  shows thing, payee and share; changes nothing
//	H  POST /intents/flattr  the ledger's flattr, then 303 back
//	C  GET  /f/{id}/done     tells the opener by postMessage, closes itself
//
// These pages send no Cross-Origin-Opener-Policy, because that would cut the opener, and their
// form-action allows other hosts, because Chromium applies it to redirects too.
//
// # Words and money
//
// Every string a person reads is in locales/en.json and locales/de.json; templates are parsed once
// per language, so that {{t "key"}} needs no language in hand. Amounts are int64 micro-units up to
// the moment of printing, and are printed with every digit they have.
//
// There is no JavaScript build, no web font and nothing from third parties; everything works
// without JavaScript.
package web
