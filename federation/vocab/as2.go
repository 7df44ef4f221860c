package vocab

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"
)

// resolve reads the object into go-fed's vocabulary. It is shown plain values
// only: embedded objects would be tried against sixty types each, at every level,
// and addresses and texts that look like ones come out rewritten by net/url, so
// none of those is ever taken from there.
func (d Document) resolve() (vocab.Type, error) {
	name, err := d.Type()
	if err != nil {
		return nil, err
	}
	view := map[string]any{"@context": AS2}
	for key, value := range d.members {
		switch plain := only(value).(type) {
		case string, bool:
			view[key] = plain
		case json.Number:
			if number, err := plain.Float64(); err == nil {
				view[key] = number
			}
		}
	}
	view["type"] = name
	object, err := streams.ToType(context.Background(), view)
	if err != nil {
		return nil, &Fault{Code: CodeType, Path: d.path + "/type", Rule: "a type of ActivityStreams"}
	}
	return object, nil
}

// IsActivity says whether the type is an activity of ActivityStreams, one we act
// on or not. What isn't one has no business in an inbox (ActivityPub §7).
func (d Document) IsActivity() bool {
	object, err := d.resolve()
	return err == nil && streams.IsOrExtendsActivityStreamsActivity(object)
}

// object is what all go-fed types that we build have in common.
type object interface {
	vocab.Type
	SetJSONLDId(vocab.JSONLDIdProperty)
	SetActivityStreamsTo(vocab.ActivityStreamsToProperty)
	SetActivityStreamsCc(vocab.ActivityStreamsCcProperty)
	SetActivityStreamsPublished(vocab.ActivityStreamsPublishedProperty)
}

// activity is an object that somebody does.
type activity interface {
	object
	SetActivityStreamsActor(vocab.ActivityStreamsActorProperty)
}

// draft is an object on its way out: go-fed's part, and the members that it would
// change or doesn't know, which are laid over it as they are.
type draft struct {
	object object
	exact  map[string]any
	err    error
}

func compose(o object, id string) *draft {
	d := &draft{object: o, exact: map[string]any{}}
	property := streams.NewJSONLDIdProperty()
	property.Set(d.iri("id", id))
	o.SetJSONLDId(property)
	return d
}

// iri parses an address for go-fed and keeps the exact string for the output.
func (d *draft) iri(name, iri string) *url.URL {
	d.exact[name] = iri
	return d.parse(name, iri)
}

func (d *draft) parse(name, iri string) *url.URL {
	if err := checkIRI(iri); err != nil {
		d.keep(at("/"+name, err))
		return &url.URL{}
	}
	u, _ := url.Parse(iri)
	return u
}

func (d *draft) keep(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *draft) by(a activity, actor string) *draft {
	property := streams.NewActivityStreamsActorProperty()
	property.AppendIRI(d.iri("actor", actor))
	a.SetActivityStreamsActor(property)
	return d
}

func (d *draft) addressed(to, cc []string) *draft {
	if len(to) > 0 {
		property := streams.NewActivityStreamsToProperty()
		for _, iri := range to {
			property.AppendIRI(d.parse("to", iri))
		}
		d.object.SetActivityStreamsTo(property)
		d.exact["to"] = to
	}
	if len(cc) > 0 {
		property := streams.NewActivityStreamsCcProperty()
		for _, iri := range cc {
			property.AppendIRI(d.parse("cc", iri))
		}
		d.object.SetActivityStreamsCc(property)
		d.exact["cc"] = cc
	}
	return d
}

func (d *draft) published(when time.Time) *draft {
	if !when.IsZero() {
		property := streams.NewActivityStreamsPublishedProperty()
		property.Set(when.UTC())
		d.object.SetActivityStreamsPublished(property)
	}
	return d
}

// ref sets a member to an address, exactly.
func (d *draft) ref(name, iri string) *draft {
	d.keep(at("/"+name, checkIRI(iri)))
	d.exact[name] = iri
	return d
}

// optRef sets a member to an address unless it is empty.
func (d *draft) optRef(name, iri string) *draft {
	if iri == "" {
		return d
	}
	return d.ref(name, iri)
}

// set lays a value over the object.
func (d *draft) set(name string, value any) *draft {
	d.exact[name] = value
	return d
}

// optText sets a text unless it is empty.
func (d *draft) optText(name, text string) *draft {
	if text != "" {
		d.exact[name] = text
	}
	return d
}

// content names what is answered, by its digest.
func (d *draft) content(digest string) *draft {
	if !digestGrammar.MatchString(digest) {
		d.keep(&Fault{Code: CodeValue, Path: "/fl:content", Rule: "sha-256: and 64 hex digits"})
	}
	return d.set("fl:content", digest)
}

// amount sets a member to an amount in micro-units.
func (d *draft) amount(name string, amount int64) *draft {
	text, err := FormatAmount(amount)
	d.keep(at("/"+name, err))
	return d.set(name, text)
}

// members serialises the draft, without @context: as an embedded object.
func (d *draft) members() (map[string]any, error) {
	if d.err != nil {
		return nil, d.err
	}
	members, err := streams.Serialize(d.object)
	if err != nil {
		return nil, err
	}
	delete(members, "@context")
	for name, value := range d.exact {
		members[name] = value
	}
	asLists(members)
	return members, nil
}

// embed sets a member to another draft.
func (d *draft) embed(name string, inner *draft) *draft {
	members, err := inner.members()
	d.keep(at("/"+name, err))
	return d.set(name, members)
}

// render is the document: finished, under its @context.
func (d *draft) render(context any) ([]byte, error) {
	members, err := d.members()
	if err != nil {
		return nil, err
	}
	return finish(members, context)
}
