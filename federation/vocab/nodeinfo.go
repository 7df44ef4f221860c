package vocab

const nodeInfoSchema = "http://nodeinfo.diaspora.software/ns/schema/"

// NodeInfoMediaType is the media type of NodeInfo 2.0 documents, the only profile
// that GoToSocial takes.
const NodeInfoMediaType = `application/json; profile="` + nodeInfoSchema + `2.0#"`

// A NodeInfo describes an instance (FEP-f1d5). It is for people and statistics; what
// an instance can do is on its actor (FEP-844e), never here.
type NodeInfo struct {
	Version         string // of the schema: "2.0" or "2.1"
	SoftwareName    string
	SoftwareVersion string
	Repository      string // 2.1 only
	Open            bool   // registrations
	Users           int64  // total
	ActiveMonth     int64
	ActiveHalfyear  int64
	LocalPosts      int64 // buttons
	NodeName        string
	NodeDescription string
}

// RenderNodeInfo writes NodeInfo 2.0 or 2.1.
func RenderNodeInfo(n NodeInfo) ([]byte, error) {
	software := map[string]any{"name": n.SoftwareName, "version": n.SoftwareVersion}
	switch {
	case n.Version == "2.1" && n.Repository != "":
		software["repository"] = n.Repository
	case n.Version != "2.0" && n.Version != "2.1":
		return nil, &Fault{Code: CodeValue, Path: "/version", Rule: "2.0 or 2.1"}
	}
	return marshal(map[string]any{
		"version":           n.Version,
		"software":          software,
		"protocols":         []string{"activitypub"},
		"services":          map[string]any{"inbound": []string{}, "outbound": []string{}},
		"openRegistrations": n.Open,
		"usage": map[string]any{
			"users":      map[string]any{"total": n.Users, "activeMonth": n.ActiveMonth, "activeHalfyear": n.ActiveHalfyear},
			"localPosts": n.LocalPosts,
		},
		"metadata": map[string]any{
			"nodeName":        n.NodeName,
			"nodeDescription": n.NodeDescription,
			"federation":      map[string]any{"enabled": true},
		},
	})
}

// ParseNodeInfo reads what we want to know of a NodeInfo document of any version.
// Errors are *Fault.
func ParseNodeInfo(raw []byte) (NodeInfo, error) {
	d, err := Decode(raw)
	if err != nil {
		return NodeInfo{}, err
	}
	r := &reader{doc: d}
	software := &reader{doc: r.embedded("software")}
	info := NodeInfo{
		Version:         r.text("version", maxToken),
		SoftwareName:    software.text("name", maxToken),
		SoftwareVersion: software.text("version", maxToken),
		Repository:      software.text("repository", MaxIRI),
		Open:            r.flag("openRegistrations"),
	}
	r.keep(software.err)
	return info, r.err
}

// NodeInfoLinks are the addresses in /.well-known/nodeinfo.
type NodeInfoLinks struct {
	V20, V21 string // documents of these versions
	Actor    string // the instance actor (FEP-2677)
}

// RenderNodeInfoLinks writes /.well-known/nodeinfo.
func RenderNodeInfoLinks(l NodeInfoLinks) ([]byte, error) {
	links := []JRDLink{}
	for _, link := range []JRDLink{
		{Rel: nodeInfoSchema + "2.0", Href: l.V20},
		{Rel: nodeInfoSchema + "2.1", Href: l.V21},
		{Rel: RelApp, Href: l.Actor},
	} {
		if link.Href != "" {
			links = append(links, link)
		}
	}
	return marshal(map[string]any{"links": links})
}

// ParseNodeInfoLinks reads /.well-known/nodeinfo. Errors are *Fault.
func ParseNodeInfoLinks(raw []byte) (NodeInfoLinks, error) {
	jrd, err := ParseJRD(raw)
	var links NodeInfoLinks
	for _, link := range jrd.Links {
		switch link.Rel {
		case nodeInfoSchema + "2.0":
			links.V20 = link.Href
		case nodeInfoSchema + "2.1":
			links.V21 = link.Href
		case RelApp:
			links.Actor = link.Href
		}
	}
	return links, err
}
