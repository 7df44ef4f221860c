package vocab

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
	actor.Rotations = r.rotations()
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
