// Package vocab is the language instances speak: every document that enters or
// leaves this service is read and written here, and nowhere else.
//
// # Reading
//
// Decode is the only JSON decoder for what comes from outside. It takes exactly
// one document of valid UTF-8 without duplicate names and within fixed limits,
// and keeps the bytes. The Document it returns answers by member name or by
// term: "actor" is read from the member of that name, and Period (an IRI of our
// namespace) from whichever member the document's own @context expands to it,
// so "fl:period", "flattr:period" and a mapped "period" are the same.
//
// ParseLike, ParseClaim and the others turn a Document into a plain struct or
// say, as a *Fault, which member breaks which rule. Ids, actors and objects are
// always the received strings, never a re-serialised URL: two servers must agree
// on them byte for byte. Properties we don't know stay in the Document.
//
// # Writing
//
// RenderLike, RenderClaim and the others build the ActivityStreams part with
// go-fed's streams package and finish it by hand, since streams rewrites IRIs,
// drops @context entries it doesn't know and collapses lists of one. The output
// is deterministic: the same struct gives the same bytes, so a retried delivery
// is the delivery.
//
// # Amounts
//
// Money is an int64 of micro-units (10⁻⁶ of the currency's unit) and travels as
// a JSON string of at most 18 digits; see ParseAmount.
//
// # Addresses
//
// Web is the one place that decides what host an IRI names and when two of them
// are the same.
//
// The package is pure: no network, no clock, no database. It is the only importer
// of github.com/go-fed/activity, whose generated code costs a minute to compile.
package vocab
