package vocab

import (
	"encoding/json"
	"fmt"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"
)

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
	d.set("manuallyApprovesFollowers", false).set("fl:acceptsFlattrs", a.AcceptsFlattrs)
	if len(a.Rotations) == 0 {
		return d.render(actorContext)
	}
	var rotations []json.RawMessage
	for _, r := range a.Rotations {
		rotations = append(rotations, r.Raw())
	}
	return d.set("fl:keyRotations", rotations).render(rotatedContext)
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
