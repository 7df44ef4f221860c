package vocab

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"
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

// ParseActor reads an actor of any software. Required are id, type and inbox
// (ActivityPub §4.1); a malformed extra is left out, a malformed essential is a *Fault.
func ParseActor(d Document) (Actor, error) {
	r := read(d, actorTypes...)
	name, _ := d.Type()
	actor := Actor{
		ID:                 r.ref("id"),
		Type:               name,
		Inbox:              r.ref("inbox"),
		PreferredUsername:  r.text("preferredUsername", maxName),
		Name:               r.text("name", maxName),
		Summary:            r.text("summary", maxSummary),
		URL:                r.first("url"),
		Published:          r.published(),
		Discoverable:       r.flag("discoverable"),
		Outbox:             r.optRef("outbox"),
		Followers:          r.optRef("followers"),
		Following:          r.optRef("following"),
		Featured:           r.optRef("featured"),
		AlsoKnownAs:        r.addresses("alsoKnownAs"),
		AttributionDomains: r.strings("attributionDomains"),
		AcceptsFlattrs:     r.flag(TermAcceptsFlattrs),
	}
	endpoints, _, err := d.Embedded("endpoints")
	r.keep(err)
	actor.SharedInbox = (&reader{doc: endpoints}).first("sharedInbox")
	actor.PublicKeys = r.publicKeys()
	actor.AssertionMethods = r.multikeys()
	actor.Links = r.links()
	actor.Implements = r.features()
	return actor, r.err
}

// addresses are the web addresses in a list; what else is there is left out.
func (r *reader) addresses(name string) []string {
	value, _, err := r.doc.lookup(name)
	r.keep(err)
	var found []string
	for _, entry := range asList(value) {
		if iri, err := reference(entry, ""); err == nil && len(found) < maxRefs {
			found = append(found, iri)
		}
	}
	return found
}

func (r *reader) strings(name string) []string {
	value, _, err := r.doc.lookup(name)
	r.keep(err)
	var found []string
	for _, entry := range asList(value) {
		if text, ok := entry.(string); ok && len(text) <= MaxIRI && len(found) < maxRefs {
			found = append(found, text)
		}
	}
	return found
}

// publicKeys are those in publicKey: one object for nearly all, a list for some.
func (r *reader) publicKeys() []PublicKey {
	value, _, err := r.doc.lookup("publicKey")
	r.keep(err)
	var keys []PublicKey
	for _, entry := range asList(value) {
		if id, err := reference(entry, ""); err == nil && len(keys) < maxKeys {
			key := PublicKey{ID: id}
			if members, ok := entry.(map[string]any); ok {
				key, err = parseKey(newDocument(members, nil, ""))
			}
			if err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// ParsePublicKey reads a key that stands in a document of its own, as some software
// serves it at the keyId. Errors are *Fault.
func ParsePublicKey(d Document) (PublicKey, error) {
	return parseKey(d)
}

func parseKey(d Document) (PublicKey, error) {
	r := &reader{doc: d}
	return PublicKey{
		ID:    r.ref("id"),
		Owner: r.ref("owner"),
		PEM:   r.text("publicKeyPem", maxPEM),
	}, r.err
}

func (r *reader) multikeys() []Multikey {
	methods, err := r.doc.EmbeddedList("assertionMethod")
	r.keep(err)
	var keys []Multikey
	for _, method := range methods {
		m := &reader{doc: method}
		key := Multikey{ID: m.ref("id"), Controller: m.ref("controller"), Multibase: m.text("publicKeyMultibase", maxPEM)}
		if kind, _ := method.Type(); kind == "Multikey" && m.err == nil && len(keys) < maxKeys {
			keys = append(keys, key)
		}
	}
	return keys
}

func (r *reader) links() []Link {
	attachments, err := r.doc.EmbeddedList("attachment")
	r.keep(err)
	var links []Link
	for _, attachment := range attachments {
		l := &reader{doc: attachment}
		link := Link{
			Name:      l.text("name", maxName),
			Href:      l.text("href", MaxIRI),
			Rel:       l.strings("rel"),
			MediaType: l.text("mediaType", maxName),
		}
		if kind, _ := attachment.Type(); kind == "Link" && l.err == nil && link.Href != "" && len(links) < maxLinks {
			links = append(links, link)
		}
	}
	return links
}

// features are listed on the actor's generator or, for an Application, on itself.
func (r *reader) features() []Feature {
	source := r.doc
	if generator, ok, err := r.doc.Embedded("generator"); ok && err == nil && generator.Has("implements") {
		source = generator
	}
	listed, err := source.EmbeddedList("implements")
	r.keep(err)
	var features []Feature
	for _, entry := range listed {
		f := &reader{doc: entry}
		feature := Feature{Href: f.text("href", MaxIRI), Name: f.text("name", maxName)}
		if f.err == nil && feature.Href != "" && len(features) < maxLinks {
			features = append(features, feature)
		}
	}
	return features
}

// actorObject is what go-fed's Person and Application have in common.
type actorObject interface {
	object
	SetActivityStreamsPreferredUsername(vocab.ActivityStreamsPreferredUsernameProperty)
	SetActivityStreamsName(vocab.ActivityStreamsNameProperty)
	SetActivityStreamsSummary(vocab.ActivityStreamsSummaryProperty)
	SetActivityStreamsInbox(vocab.ActivityStreamsInboxProperty)
	SetActivityStreamsOutbox(vocab.ActivityStreamsOutboxProperty)
	SetTootDiscoverable(vocab.TootDiscoverableProperty)
}

// RenderActor writes a Person or an Application of ours. Each remote server demands
// some of it: Lemmy the outbox, GoToSocial followers, following and featured, all of
// them a single publicKey.
func RenderActor(a Actor) ([]byte, error) {
	var actor actorObject
	switch a.Type {
	case "Person":
		actor = streams.NewActivityStreamsPerson()
	case "Application":
		actor = streams.NewActivityStreamsApplication()
	default:
		return nil, &Fault{Code: CodeType, Path: "/type", Rule: "Person or Application"}
	}
	d := compose(actor, a.ID).published(a.Published)
	d.boxes(actor, a)
	d.named(actor, a)
	d.keys(a)
	d.linked(a)
	return d.set("manuallyApprovesFollowers", false).
		set("fl:acceptsFlattrs", a.AcceptsFlattrs).render(actorContext)
}

func (d *draft) boxes(actor actorObject, a Actor) {
	inbox := streams.NewActivityStreamsInboxProperty()
	inbox.SetIRI(d.iri("inbox", a.Inbox))
	actor.SetActivityStreamsInbox(inbox)
	outbox := streams.NewActivityStreamsOutboxProperty()
	outbox.SetIRI(d.iri("outbox", a.Outbox))
	actor.SetActivityStreamsOutbox(outbox)
	d.optRef("followers", a.Followers).optRef("following", a.Following).
		optRef("featured", a.Featured).optRef("url", a.URL)
	if a.SharedInbox != "" {
		d.keep(at("/endpoints/sharedInbox", checkIRI(a.SharedInbox)))
		d.set("endpoints", map[string]any{"sharedInbox": a.SharedInbox})
	}
}

func (d *draft) named(actor actorObject, a Actor) {
	username := streams.NewActivityStreamsPreferredUsernameProperty()
	username.SetXMLSchemaString(a.PreferredUsername)
	actor.SetActivityStreamsPreferredUsername(username)
	if a.PreferredUsername == "" {
		d.keep(&Fault{Code: CodeMissing, Path: "/preferredUsername", Rule: "required"})
	}
	described(actor, a.Name, a.Summary)
	discoverable := streams.NewTootDiscoverableProperty()
	discoverable.Set(a.Discoverable)
	actor.SetTootDiscoverable(discoverable)
}

func (d *draft) keys(a Actor) {
	if len(a.PublicKeys) != 1 {
		d.keep(&Fault{Code: CodeValue, Path: "/publicKey", Rule: "exactly one key"})
		return
	}
	key := a.PublicKeys[0]
	d.keep(at("/publicKey/id", checkIRI(key.ID)))
	d.keep(at("/publicKey/owner", checkIRI(key.Owner)))
	d.set("publicKey", map[string]any{"id": key.ID, "owner": key.Owner, "publicKeyPem": key.PEM})
	methods := make([]any, 0, len(a.AssertionMethods))
	for i, m := range a.AssertionMethods {
		d.keep(at(fmt.Sprintf("/assertionMethod/%d/id", i), checkIRI(m.ID)))
		methods = append(methods, map[string]any{
			"id": m.ID, "type": "Multikey", "controller": m.Controller, "publicKeyMultibase": m.Multibase,
		})
	}
	d.set("assertionMethod", methods)
}

func (d *draft) linked(a Actor) {
	if len(a.AlsoKnownAs) > 0 {
		d.set("alsoKnownAs", a.AlsoKnownAs)
	}
	if len(a.AttributionDomains) > 0 {
		d.set("attributionDomains", a.AttributionDomains)
	}
	attachments := make([]any, 0, len(a.Links))
	for _, link := range a.Links {
		attachments = append(attachments, link.members())
	}
	d.set("attachment", attachments)
	features := make([]any, 0, len(a.Implements))
	for _, feature := range a.Implements {
		features = append(features, map[string]any{"href": feature.Href, "name": feature.Name})
	}
	d.set("generator", map[string]any{"type": "Application", "implements": features})
}

func (l Link) members() map[string]any {
	members := map[string]any{"type": "Link", "name": l.Name, "href": l.Href, "rel": l.Rel}
	if l.MediaType != "" {
		members["mediaType"] = l.MediaType
	}
	return members
}
