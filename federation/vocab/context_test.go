package vocab

import (
	"fmt"
	"strings"
	"testing"
)

const likeHead = `"id":"https://a.example/f/1","type":"Like","actor":"https://a.example/users/alice","object":"https://b.example/buttons/7f3k"`

// Contexts are compared by what their terms expand to (protocol §1), never as text.
func TestTermsAreWhatTheContextSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ context, members string }{
		"our own":          {`["https://www.w3.org/ns/activitystreams",{"fl":"https://fedflattr.org/ns#","period":"fl:period"}]`, `"period":"2026-11","fl:payee":"https://b.example/users/bob"`},
		"compact":          {`["https://www.w3.org/ns/activitystreams",{"fl":"https://fedflattr.org/ns#"}]`, `"fl:period":"2026-11","fl:payee":"https://b.example/users/bob"`},
		"other prefix":     {`["https://www.w3.org/ns/activitystreams",{"flattr":"https://fedflattr.org/ns#"}]`, `"flattr:period":"2026-11","flattr:payee":"https://b.example/users/bob"`},
		"full IRI":         {`"https://www.w3.org/ns/activitystreams"`, `"https://fedflattr.org/ns#period":"2026-11","https://fedflattr.org/ns#payee":"https://b.example/users/bob"`},
		"no context":       {`null`, `"https://fedflattr.org/ns#period":"2026-11","https://fedflattr.org/ns#payee":"https://b.example/users/bob"`},
		"object only":      {`{"@vocab":"https://www.w3.org/ns/activitystreams#","fl":"https://fedflattr.org/ns#"}`, `"fl:period":"2026-11","fl:payee":"https://b.example/users/bob"`},
		"other names":      {`[{"p":"https://fedflattr.org/ns#period","to_whom":{"@id":"https://fedflattr.org/ns#payee","@type":"@id"}}]`, `"p":"2026-11","to_whom":"https://b.example/users/bob"`},
		"expanded def":     {`[{"fl":{"@id":"https://fedflattr.org/ns#","@prefix":true},"period":{"@id":"fl:period"}}]`, `"period":"2026-11","fl:payee":{"id":"https://b.example/users/bob"}`},
		"prefix of prefix": {`[{"ff":"https://fedflattr.org/","fl":"ff:ns#"}]`, `"fl:period":"2026-11","fl:payee":"https://b.example/users/bob"`},
		"later one wins":   {`[{"fl":"https://evil.example/#"},{"fl":"https://fedflattr.org/ns#"}]`, `"fl:period":"2026-11","fl:payee":"https://b.example/users/bob"`},
		"list of one":      {`[{"fl":"https://fedflattr.org/ns#"}]`, `"fl:period":["2026-11"],"fl:payee":["https://b.example/users/bob"]`},
	} {
		doc := fmt.Sprintf(`{"@context":%s,%s,%s,"x:y":{"kept":1}}`, c.context, likeHead, c.members)
		like, err := ParseLike(mustDecode(t, []byte(doc)))
		if err != nil || like.Period != "2026-11" || like.Payee != bob {
			t.Errorf("%s: got %+v, %v", name, like, err)
		}
	}
}

func TestNamesThatMeanNothingAreIgnored(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ context, members string }{
		"undefined prefix":  {`"https://www.w3.org/ns/activitystreams"`, `"fl:period":"2026-11"`},
		"unmapped plain":    {`[{"fl":"https://fedflattr.org/ns#"}]`, `"period":"2026-11"`},
		"someone else's":    {`[{"fl":"https://evil.example/ns#","period":"fl:period"}]`, `"period":"2026-11"`},
		"forgotten":         {`[{"fl":"https://fedflattr.org/ns#"},null]`, `"fl:period":"2026-11"`},
		"undefined again":   {`[{"fl":"https://fedflattr.org/ns#","period":"fl:period"},{"period":null}]`, `"period":"2026-11"`},
		"a cycle":           {`[{"a":"b:x","b":"a:y","period":"a:period"}]`, `"period":"2026-11"`},
		"itself":            {`[{"period":"period"}]`, `"period":"2026-11"`},
		"null is absent":    {`[{"fl":"https://fedflattr.org/ns#"}]`, `"fl:period":null`},
		"case matters":      {`[{"fl":"https://fedflattr.org/ns#"}]`, `"fl:Period":"2026-11"`},
		"a remote context":  {`["https://fedflattr.org/ns","https://fedflattr.org/ns#"]`, `"fl:period":"2026-11","period":"2026-11"`},
		"nonsense contexts": {`[5,true,[[{"fl":7}]],{"":"x"}]`, `"fl:period":"2026-11"`},
	} {
		doc := fmt.Sprintf(`{"@context":%s,%s,%s}`, c.context, likeHead, c.members)
		like, err := ParseLike(mustDecode(t, []byte(doc)))
		if err != nil || like.IsFlattr() {
			t.Errorf("%s: got %+v, %v", name, like, err)
		}
	}
}

func TestOneTermTwiceIsRefused(t *testing.T) {
	t.Parallel()
	doc := `{"@context":[{"fl":"https://fedflattr.org/ns#","period":"fl:period"}],` + likeHead + `,"period":"2026-11","fl:period":"2026-10"}`
	if _, err := ParseLike(mustDecode(t, []byte(doc))); FaultCode(err) != CodeAmbiguous {
		t.Errorf("got %v", err)
	}
}

func TestEmbeddedObjectsInheritTheContext(t *testing.T) {
	t.Parallel()
	for name, inner := range map[string]string{
		"inherited":  `{` + likeHead + `,"fl:period":"2026-11"}`,
		"extended":   `{"@context":{"p":"fl:period"},` + likeHead + `,"p":"2026-11"}`,
		"overridden": `{"@context":{"fl":"x:","g":"https://fedflattr.org/ns#"},` + likeHead + `,"fl:period":"2020-01","g:period":"2026-11"}`,
	} {
		doc := `{"@context":["https://www.w3.org/ns/activitystreams",{"fl":"https://fedflattr.org/ns#"}],` +
			`"id":"https://a.example/u/1","type":"Undo","actor":"https://a.example/users/alice","object":` + inner + `}`
		undo, err := ParseUndo(mustDecode(t, []byte(doc)))
		if err != nil || undo.Like == nil || undo.Like.Period != "2026-11" {
			t.Errorf("%s: got %+v, %v", name, undo.Like, err)
		}
	}
}

func TestTypesAreWhatTheContextSays(t *testing.T) {
	t.Parallel()
	for doc, iri := range map[string]string{
		`{"type":"Page"}`:   asNS + "Page",
		`{"type":["Page"]}`: asNS + "Page",
		`{"@context":[{"fl":"https://fedflattr.org/ns#"}],"type":"fl:Payment"}`:  PaymentType,
		`{"@context":[{"Pay":"https://fedflattr.org/ns#Payment"}],"type":"Pay"}`: PaymentType,
		`{"type":"https://fedflattr.org/ns#Payment"}`:                            PaymentType,
		`{"type":"Agreement"}`: AgreementType,
		`{"@context":{"vf":"https://w3id.org/valueflows/ont/vf#","Agreement":"vf:Agreement"},"type":"Agreement"}`: AgreementType,
		`{"@context":{"vf":"https://w3id.org/valueflows/ont/vf#"},"type":"vf:Proposal"}`:                          ProposalType,
	} {
		if d := mustDecode(t, []byte(doc)); !d.Is(iri) {
			t.Errorf("%s should be %s", doc, iri)
		}
	}
	for _, doc := range []string{
		`{}`, `{"type":null}`, `{"type":[]}`, `{"type":["fl:Payment","Page"]}`, `{"type":"fl:Payment"}`, `{"type":"Payment"}`,
		`{"@context":{"Agreement":"https://evil.example/Agreement"},"type":"Agreement"}`,
	} {
		d := mustDecode(t, []byte(doc))
		if d.Is(PaymentType) || d.Is(AgreementType) {
			t.Errorf("%s is neither payment nor agreement", doc)
		}
	}
}

func TestManyTermsCostLittle(t *testing.T) {
	doc := []byte(manyTerms())
	cheap(t, func() {
		if _, err := ParseLike(mustDecode(t, doc)); err != nil {
			t.Error(err)
		}
	})
}

// manyTerms is a Like whose context and members are as many as there may be.
func manyTerms() string {
	var context, members strings.Builder
	for i := range MaxMembers/2 - 20 {
		fmt.Fprintf(&context, `"t%d":"t%d:x",`, i, i+1)
		fmt.Fprintf(&members, `"t%d:y":1,`, i)
	}
	return `{"@context":{` + strings.TrimSuffix(context.String(), ",") + `},` + members.String() + likeHead + `}`
}
