package audit

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
)

// Namespaces of the terms that are looked for. Quantities are mapped to OM2 by some and to ValueFlows by others.
const (
	ns  = "https://fedflattr.org/ns#"
	vf  = "https://w3id.org/valueflows/ont/vf#"
	om2 = "http://www.ontology-of-units-of-measure.org/resource/om-2/"
)

// object is a JSON object with the terms that contexts around it define.
type object struct {
	members map[string]any
	terms   map[string]string
}

func readObject(raw []byte) (object, error) {
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return object{}, err
	}
	return inside(members, nil), nil
}

// inside is an object within others.
func inside(members map[string]any, terms map[string]string) object {
	o := object{members: members, terms: maps.Clone(terms)}
	if o.terms == nil {
		o.terms = map[string]string{}
	}
	o.define(members["@context"])
	return o
}

// define takes what a context defines inline. Contexts elsewhere are never fetched.
func (o object) define(context any) {
	switch c := context.(type) {
	case []any:
		for _, one := range c {
			o.define(one)
		}
	case map[string]any:
		for term, is := range c {
			if long, ok := is.(map[string]any); ok {
				is = long["@id"]
			}
			if iri, ok := is.(string); ok {
				o.terms[term] = iri
			}
		}
	case nil:
	}
}

// expand is what a name stands for; a plain one that no context defines stands for itself.
func (o object) expand(name string) string {
	for range 3 { // definitions by prefixes that are defined by prefixes
		iri, ok := o.terms[name]
		prefix, rest, compact := strings.Cut(name, ":")
		switch {
		case ok && iri != name:
			name = iri
		case compact && !strings.HasPrefix(rest, "//") && o.terms[prefix] != "":
			name = o.terms[prefix] + rest
		default:
			if local, ok := strings.CutPrefix(name, om2); ok {
				return vf + local
			}
			return name
		}
	}
	return name
}

// get is the value of a term; a ValueFlows term may also be plain, as few contexts define all of them. A list of
// one is that one.
func (o object) get(term string) any {
	plain, _ := strings.CutPrefix(term, vf)
	for name, value := range o.members {
		if is := o.expand(name); is != term && is != plain {
			continue
		}
		if list, ok := value.([]any); ok && len(list) == 1 && !strings.HasPrefix(term, ns) {
			return list[0]
		}
		return value
	}
	return nil
}

// text is a string, or the id of the object that stands there.
func (o object) text(term string) string {
	switch v := o.get(term).(type) {
	case string:
		return v
	case map[string]any:
		id, _ := v["id"].(string)
		return id
	}
	return ""
}

// kind is the object's type.
func (o object) kind() string {
	name := o.expand(o.text("type"))
	return strings.TrimPrefix(strings.TrimPrefix(name, vf), "https://www.w3.org/ns/activitystreams#")
}

// object is the object that stands there, empty if there is none.
func (o object) object(term string) object {
	members, _ := o.get(term).(map[string]any)
	return inside(members, o.terms)
}

// rows are the objects of a JSON literal: their names are exact, and no context applies.
func (o object) rows(term string) (rows []map[string]any) {
	list, _ := o.get(term).([]any)
	for _, one := range list {
		row, _ := one.(map[string]any)
		rows = append(rows, row)
	}
	return rows
}

// amount reads an amount, a string of digits; -1 if it is none.
func amount(v any) int64 {
	text, _ := v.(string)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != text {
		return -1
	}
	return n
}

func stringOf(v any) string {
	text, _ := v.(string)
	return text
}
