package vocab

import (
	"encoding/json"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"
)

// A Collection is an ordered collection or one page of it (AS2 Core §5): an outbox,
// followers, the likes of a thing.
type Collection struct {
	ID         string
	TotalItems int64
	First      string // page; "" if the items stand here, or aren't shown at all
	PartOf     string // the collection, if this is a page; else ""
	Next, Prev string // pages, if this is one
	Items      []Item
}

// An Item is an entry of a collection: an id, or a whole rendered document.
type Item struct {
	ID     string
	Object []byte // JSON; nil where only the id is listed
}

// RenderCollection writes an OrderedCollection, or an OrderedCollectionPage if
// PartOf is set.
func RenderCollection(c Collection) ([]byte, error) {
	d := c.draft()
	counted(d.object, c.TotalItems)
	if c.Items != nil || c.PartOf != "" {
		items, err := renderItems(c.Items)
		d.keep(err)
		d.set("orderedItems", items)
	}
	return d.optRef("first", c.First).optRef("partOf", c.PartOf).
		optRef("next", c.Next).optRef("prev", c.Prev).render(plainContext)
}

func (c Collection) draft() *draft {
	if c.PartOf != "" {
		return compose(streams.NewActivityStreamsOrderedCollectionPage(), c.ID)
	}
	return compose(streams.NewActivityStreamsOrderedCollection(), c.ID)
}

func renderItems(items []Item) ([]any, error) {
	rendered := make([]any, 0, len(items))
	for _, item := range items {
		if item.Object != nil {
			rendered = append(rendered, json.RawMessage(item.Object))
			continue
		}
		if err := checkIRI(item.ID); err != nil {
			return nil, at("/orderedItems", err)
		}
		rendered = append(rendered, item.ID)
	}
	return rendered, nil
}

// counted sets totalItems on anything that has it.
func counted(o object, total int64) {
	collection, ok := o.(interface {
		SetActivityStreamsTotalItems(vocab.ActivityStreamsTotalItemsProperty)
	})
	if !ok {
		return
	}
	property := streams.NewActivityStreamsTotalItemsProperty()
	property.Set(int(total))
	collection.SetActivityStreamsTotalItems(property)
}

// ParseCollection reads a collection or a page of one, ordered or not. Items that are
// neither an id nor an object with one are left out. Errors are *Fault.
func ParseCollection(d Document) (Collection, error) {
	r := read(d, "OrderedCollection", "Collection", "OrderedCollectionPage", "CollectionPage")
	collection := Collection{
		ID:         r.ref("id"),
		TotalItems: r.count("totalItems", 1<<53),
		First:      r.optRef("first"),
		PartOf:     r.optRef("partOf"),
		Next:       r.optRef("next"),
		Prev:       r.optRef("prev"),
	}
	for _, name := range []string{"orderedItems", "items"} {
		value, _, _ := d.lookup(name)
		if value == nil {
			continue
		}
		for _, entry := range asList(value) {
			collection.Items = append(collection.Items, parseItem(entry)...)
		}
	}
	return collection, r.err
}

func parseItem(entry any) []Item {
	id, err := reference(entry, "")
	if err != nil {
		return nil
	}
	item := Item{ID: id}
	if members, ok := entry.(map[string]any); ok {
		item.Object = Document{members: members}.Raw()
	}
	return []Item{item}
}
