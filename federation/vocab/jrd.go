package vocab

// Media types of discovery and of documents.
const (
	JRDMediaType = "application/jrd+json"
	AS2MediaType = "application/activity+json"
	LDMediaType  = `application/ld+json; profile="` + AS2 + `"`
)

// Link relations we publish and look for.
const (
	RelSelf      = "self"
	RelProfile   = "http://webfinger.net/rel/profile-page"
	RelSubscribe = "http://ostatus.org/schema/1.0/subscribe"
	RelFlattr    = NS + "Flattr" // the paying intent (protocol §6)
	RelLike      = "https://w3id.org/fep/3b86/Like"
	RelObject    = "https://w3id.org/fep/3b86/Object"
	RelFollow    = "https://w3id.org/fep/3b86/Follow"
	RelService   = AS2 + "#Service"     // FEP-d556
	RelApp       = AS2 + "#Application" // FEP-2677
)

// A JRD is a WebFinger answer (RFC 7033 §4.4).
type JRD struct {
	Subject string    `json:"subject"`
	Aliases []string  `json:"aliases,omitempty"`
	Links   []JRDLink `json:"links"`
}

// A JRDLink has an href, or a template for an intent (FEP-3b86).
type JRDLink struct {
	Rel      string `json:"rel"`
	Type     string `json:"type,omitempty"`
	Href     string `json:"href,omitempty"`
	Template string `json:"template,omitempty"`
}

// RenderJRD writes a WebFinger answer.
func RenderJRD(j JRD) ([]byte, error) {
	if j.Subject == "" {
		return nil, &Fault{Code: CodeMissing, Path: "/subject", Rule: "required"}
	}
	if j.Links == nil {
		j.Links = []JRDLink{}
	}
	return marshal(j)
}

// ParseJRD reads a WebFinger answer. FEP-3b86 calls an intent's template href in its
// text and template in its example; both are read, as Template. Errors are *Fault.
func ParseJRD(raw []byte) (JRD, error) {
	d, err := Decode(raw)
	if err != nil {
		return JRD{}, err
	}
	r := &reader{doc: d}
	jrd := JRD{Subject: r.text("subject", MaxIRI), Aliases: r.strings("aliases")}
	links, err := d.EmbeddedList("links")
	r.keep(err)
	for _, entry := range links {
		l := &reader{doc: entry}
		link := JRDLink{
			Rel:      l.text("rel", MaxIRI),
			Type:     l.text("type", maxName),
			Href:     l.text("href", MaxIRI),
			Template: l.text("template", MaxIRI),
		}
		if l.err == nil && link.Rel != "" && len(jrd.Links) < maxLinks {
			jrd.Links = append(jrd.Links, link)
		}
	}
	return jrd, r.err
}

// Self is the actor that the answer names, "" if it names none: the one self link of
// an ActivityPub media type.
func (j JRD) Self() string {
	for _, link := range j.Links {
		if link.Rel == RelSelf && IsAS2(link.Type) {
			return link.Href
		}
	}
	return ""
}

// Intent is the template for a relation, "" if there is none.
func (j JRD) Intent(rel string) string {
	for _, link := range j.Links {
		if link.Rel == rel && link.Template != "" {
			return link.Template
		}
		if link.Rel == rel {
			return link.Href
		}
	}
	return ""
}
