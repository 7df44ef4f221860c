package vocab

import (
	"time"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"
)

// A Page is a button: one flattrable thing on the web (protocol §3). It is a kind of
// object that the rest of the fediverse can show, boost and like.
type Page struct {
	ID           string
	URL          string // the page, canonical (Web.CanonicalPage)
	Name         string
	Summary      string // HTML, as everywhere in ActivityStreams: plain text must be escaped first
	AttributedTo string // the owner
	Tags         []string
	Likes        string // id of the likes collection
	TotalLikes   int64
	Published    time.Time
	Updated      time.Time
	To, CC       []string
	Splits       []Split // the versions that everybody has consented to
}

// pageTypes are the objects that may be flattred. A button is a Page; on other
// software it is whatever that calls a post.
var pageTypes = []string{"Page", "Note", "Article", "Video", "Audio", "Image", "Event", "Document", "Question"}

// ParsePage reads a Page, or another server's post as one. Only the id is required:
// a post without a title or author can be liked all the same. Errors are *Fault.
func ParsePage(d Document) (Page, error) {
	r := read(d, pageTypes...)
	page := Page{
		ID:        r.ref("id"),
		Name:      r.text("name", maxName),
		Summary:   r.text("summary", maxSummary),
		Tags:      r.hashtags(),
		Published: r.published(),
		Updated:   r.time("updated"),
		To:        r.audience("to"),
		CC:        r.audience("cc"),
		Splits:    r.splits(),
	}
	page.URL = r.first("url")
	page.AttributedTo = r.first("attributedTo")
	page.Likes = r.first("likes")
	if likes, ok, err := d.Embedded("likes"); ok && err == nil {
		page.TotalLikes, err = likes.Count("totalItems", 1<<53)
		r.keep(err)
	}
	return page, r.err
}

// first is the first web address in a member that may have several, of which some
// aren't: PeerTube lists magnet links among a video's urls, and attributes it to its
// uploader and then to the channel.
func (r *reader) first(name string) string {
	value, _, err := r.doc.lookup(name)
	r.keep(err)
	for _, entry := range asList(value) {
		if iri, err := reference(entry, ""); err == nil {
			return iri
		}
	}
	return ""
}

func (r *reader) hashtags() []string {
	tags, err := r.doc.EmbeddedList("tag")
	r.keep(err)
	var names []string
	for _, tag := range tags {
		if kind, _ := tag.Type(); kind != "Hashtag" || len(names) >= maxRefs {
			continue
		}
		if name, err := tag.Text("name", maxToken); err == nil && len(name) > 1 && name[0] == '#' {
			names = append(names, name[1:])
		}
	}
	return names
}

// RenderPage writes a button.
func RenderPage(p Page) ([]byte, error) {
	return p.draft().render(p.context())
}

// context is that of plain Pages, unless there is a term of ours in it.
func (p Page) context() any {
	if len(p.Splits) > 0 {
		return splitPageContext
	}
	return pageContext
}

func (p Page) draft() *draft {
	page := streams.NewActivityStreamsPage()
	d := compose(page, p.ID).addressed(p.To, p.CC).published(p.Published).
		ref("url", p.URL).ref("attributedTo", p.AttributedTo)
	described(page, p.Name, p.Summary)
	if !p.Updated.IsZero() {
		updated := streams.NewActivityStreamsUpdatedProperty()
		updated.Set(p.Updated.UTC())
		page.SetActivityStreamsUpdated(updated)
	}
	if len(p.Tags) > 0 {
		d.set("tag", hashtags(p.Tags))
	}
	if len(p.Splits) > 0 {
		rows, err := splitRows(p.Splits)
		d.keep(err)
		d.set("fl:split", rows)
	}
	likes := streams.NewActivityStreamsCollection()
	inner := compose(likes, p.Likes)
	counted(likes, p.TotalLikes)
	return d.set("attachment", []any{}).embed("likes", inner)
}

// described gives an object its texts; empty ones are left out.
func described(o interface {
	SetActivityStreamsName(vocab.ActivityStreamsNameProperty)
	SetActivityStreamsSummary(vocab.ActivityStreamsSummaryProperty)
}, name, summary string) {
	if name != "" {
		property := streams.NewActivityStreamsNameProperty()
		property.AppendXMLSchemaString(name)
		o.SetActivityStreamsName(property)
	}
	if summary != "" {
		property := streams.NewActivityStreamsSummaryProperty()
		property.AppendXMLSchemaString(summary)
		o.SetActivityStreamsSummary(property)
	}
}

func hashtags(names []string) []any {
	tags := make([]any, 0, len(names))
	for _, name := range names {
		tags = append(tags, map[string]any{"type": "Hashtag", "name": "#" + name})
	}
	return tags
}

// A Create publishes an object (ActivityPub §7.2).
type Create struct {
	ID        string
	Actor     string
	Published time.Time
	To, CC    []string
	Object    Document // as received; ParsePage reads it
}

// ParseCreate reads a Create with its object embedded. A payment is a Create too and
// has a parser of its own: Object.Is(PaymentType) tells. Errors are *Fault.
func ParseCreate(d Document) (Create, error) {
	r := read(d, "Create")
	return Create{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		Published: r.published(),
		To:        r.audience("to"),
		CC:        r.audience("cc"),
		Object:    r.embedded("object"),
	}, r.err
}

// RenderCreatePage writes the publication of a button, by its owner, to the audience
// of the button itself. The id is the activity's.
func RenderCreatePage(id string, p Page) ([]byte, error) {
	create := streams.NewActivityStreamsCreate()
	return compose(create, id).by(create, p.AttributedTo).addressed(p.To, p.CC).
		published(p.Published).embed("object", p.draft()).render(pageContext)
}
