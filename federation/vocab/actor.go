package vocab

import (
	"slices"
	"time"
)

// An Actor is whoever can send and receive: a member of ours (Person), an instance
// (Application), or anybody on other software (protocol §2).
type Actor struct {
	ID                string
	Type              string // Person, Application; from others also Service, Organization, Group
	PreferredUsername string
	Name              string
	Summary           string // HTML, as everywhere in ActivityStreams: plain text must be escaped first
	URL               string // the page for people
	Published         time.Time
	Discoverable      bool

	Inbox, Outbox, SharedInbox     string
	Followers, Following, Featured string

	// PublicKeys verify draft-cavage signatures. We publish exactly one.
	PublicKeys []PublicKey
	// AssertionMethods verify RFC 9421 signatures and object proofs (FEP-521a).
	AssertionMethods []Multikey

	AlsoKnownAs        []string // proven accounts elsewhere
	AttributionDomains []string // domains that may name this actor as their author
	Links              []Link   // attached links, payment links among them (FEP-0ea0)
	Implements         []Feature
	AcceptsFlattrs     bool // protocol §2; missing is false

	// Rotations are the changes of an instance's accounting key, each with a proof by the key before, the first
	// one first (see KeyRotation).
	Rotations []Document
}

// A PublicKey is an RSA key as Mastodon introduced it.
type PublicKey struct {
	ID    string // "{actor}#main-key"; of others also another document
	Owner string
	PEM   string // SPKI, "BEGIN PUBLIC KEY"; "" where only the id is given
}

// A Multikey is a public key in multibase (FEP-521a, W3C Controlled Identifiers).
type Multikey struct {
	ID         string
	Controller string
	Multibase  string // "z6Mk…" is Ed25519
}

// A Link is an address with a meaning (AS2 Vocabulary §3.1).
type Link struct {
	Name      string
	Href      string // any scheme: payto: among payment links
	Rel       []string
	MediaType string
}

// A Feature is something that the actor's software implements (FEP-844e).
type Feature struct{ Href, Name string }

const (
	maxKeys  = 16  // keys of one actor; Mastodon reads ten
	maxLinks = 200 // attachments, features
	maxPEM   = 4096
)

var actorTypes = []string{"Person", "Application", "Service", "Organization", "Group"}

// SpeaksFlattr says whether the actor's software implements version 1 of our
// protocol. That, not the software's name, decides what may be sent there.
func (a Actor) SpeaksFlattr() bool {
	return slices.ContainsFunc(a.Implements, func(f Feature) bool { return f.Href == V1 })
}

// PaymentLinks are the links to pay the actor by (FEP-0ea0).
func (a Actor) PaymentLinks() []Link {
	var found []Link
	for _, link := range a.Links {
		if slices.Contains(link.Rel, "payment") {
			found = append(found, link)
		}
	}
	return found
}
