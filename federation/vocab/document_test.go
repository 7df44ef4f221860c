package vocab

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReferencesInAllTheirShapes(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`"https://a.example/x"`, `["https://a.example/x"]`, `{"id":"https://a.example/x"}`,
		`[{"id":"https://a.example/x","type":"Note"}]`, `{"type":"Link","href":"https://a.example/x"}`,
	} {
		d := mustDecode(t, []byte(`{"object":`+value+`}`))
		if ref, err := d.Ref("object"); err != nil || ref != "https://a.example/x" {
			t.Errorf("%s: got %q, %v", value, ref, err)
		}
	}
	for value, code := range map[string]string{
		`null`: CodeMissing, `{}`: CodeMissing, `{"id":null,"href":"https://a.example/x"}`: CodeMissing,
		`[]`: CodeKind, `5`: CodeKind, `true`: CodeKind, `{"id":5}`: CodeKind, `{"id":["https://a.example/x"]}`: CodeKind,
		`["https://a.example/x","https://a.example/y"]`: CodeKind, `[["https://a.example/x"]]`: CodeKind,
		`""`: CodeIRI, `"x"`: CodeIRI, `"javascript:alert(1)"`: CodeIRI, `"https://a@b.example/"`: CodeIRI,
	} {
		d := mustDecode(t, []byte(`{"o":{"object":`+value+`}}`))
		inner, ok, err := d.Embedded("o")
		if !ok || err != nil {
			t.Fatal(err)
		}
		ref, err := inner.Ref("object")
		var fault *Fault
		if !errors.As(err, &fault) || fault.Code != code || !strings.HasPrefix(fault.Path, "/o/object") {
			t.Errorf("%s: got %q, %v", value, ref, err)
		}
	}
}

// net/url would write these otherwise; two servers have to agree on every byte.
func TestIDsAreTheReceivedBytes(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"https://w.example/?p=1#activity#activity", "https://x.example/ü/%c3%bc/%7E", "HTTPS://X.Example:443/A",
		"https://x.example/a|b^c{d}", "https://x.example/?q='A'&x=<y>",
	} {
		raw, err := RenderFollow(Follow{ID: id, Actor: id, Object: id})
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		follow, err := ParseFollow(mustDecode(t, raw))
		if err != nil || follow.ID != id || follow.Actor != id || follow.Object != id {
			t.Errorf("%s: got %+v, %v", id, follow, err)
		}
	}
}

func TestListsAndTheirLimit(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, []byte(`{"to":["https://a.example/1",{"id":"https://a.example/2"}],"cc":"https://a.example/3"}`))
	to, err := d.Refs("to")
	if diff := cmp.Diff([]string{"https://a.example/1", "https://a.example/2"}, to); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if cc, err := d.Refs("cc"); err != nil || len(cc) != 1 {
		t.Errorf("got %v, %v", cc, err)
	}
	if none, err := d.Refs("bto"); err != nil || none != nil {
		t.Errorf("got %v, %v", none, err)
	}
	for n, code := range map[int]string{maxRefs: "", maxRefs + 1: CodeValue} {
		list := strings.TrimSuffix(strings.Repeat(`"https://a.example/1",`, n), ",")
		_, err := mustDecode(t, []byte(`{"to":[`+list+`]}`)).Refs("to")
		if FaultCode(err) != code {
			t.Errorf("%d entries: got %v", n, err)
		}
	}
	if _, err := mustDecode(t, []byte(`{"to":["https://a.example/1",5]}`)).Refs("to"); err == nil || !strings.HasPrefix(err.Error(), "/to/1: ") {
		t.Errorf("got %v", err)
	}
}

func TestTypedMembers(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, []byte(`{"text":"ü","time":"2026-11-24T22:30:00+01:00","flag":true,"count":7,"object":{"a":1},"list":[{"a":1},"x",{"a":2}]}`))
	if text, err := d.Text("text", 2); err != nil || text != "ü" {
		t.Errorf("%q, %v", text, err)
	}
	if when, err := d.Time("time"); err != nil || !when.Equal(noon) || when.Location() != time.UTC {
		t.Errorf("%v, %v", when, err)
	}
	if flag, err := d.Flag("flag"); err != nil || !flag {
		t.Errorf("%v, %v", flag, err)
	}
	if n, err := d.Count("count", 7); err != nil || n != 7 {
		t.Errorf("%v, %v", n, err)
	}
	if list, err := d.EmbeddedList("list"); err != nil || len(list) != 2 || list[1].path != "/list/2" {
		t.Errorf("%v, %v", list, err)
	}
	if _, ok, err := d.Embedded("text"); ok || err != nil {
		t.Error("a string is no embedded object", err)
	}
	if !d.Has("flag") || d.Has("nothing") {
		t.Error("Has tells what is there")
	}
}

func TestTypedMembersNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	text := func(d Document) error { _, err := d.Text("m", 3); return err }
	when := func(d Document) error { _, err := d.Time("m"); return err }
	flag := func(d Document) error { _, err := d.Flag("m"); return err }
	count := func(d Document) error { _, err := d.Count("m", 7); return err }
	for _, c := range []struct {
		value string
		get   func(Document) error
		code  string
	}{
		{`"abc"`, text, ""}, {`"abcd"`, text, CodeValue}, {`"éé"`, text, CodeValue}, {`5`, text, CodeKind}, {`["a","b"]`, text, CodeKind}, {`null`, text, ""},
		{`"2026-11-24"`, when, CodeValue}, {`"2026-13-24T00:00:00Z"`, when, CodeValue}, {`5`, when, CodeValue}, {`"0000-01-01T00:00:00Z"`, when, CodeValue},
		{`"9999-12-31T23:59:59-12:00"`, when, CodeValue}, {`"2026-11-24T21:30Z"`, when, ""}, {`"2026-11-24T21:30:00.123Z"`, when, ""},
		{`"true"`, flag, CodeKind}, {`1`, flag, CodeKind}, {`false`, flag, ""},
		{`8`, count, CodeValue}, {`-1`, count, CodeValue}, {`1.0`, count, CodeValue}, {`1e0`, count, CodeValue}, {`"7"`, count, CodeKind}, {`99999999999999999999`, count, CodeValue}, {`0`, count, ""},
	} {
		err := c.get(mustDecode(t, []byte(`{"m":`+c.value+`}`)))
		if FaultCode(err) != c.code || (err != nil && !strings.HasPrefix(err.Error(), "/m: ")) {
			t.Errorf("%s: got %v, want %q", c.value, err, c.code)
		}
	}
}

func TestContentIsTheDocumentWithoutItsProof(t *testing.T) {
	t.Parallel()
	a := mustDecode(t, []byte(`{"b":1.0,"a":["\u00e9",{"z":null,"y":true}],"proof":{"proofValue":"z1"}}`))
	b := mustDecode(t, []byte(`{"proof":{"proofValue":"z2"},"a":["é",{"y":true,"z":null}],"b":1}`))
	content, err := a.Content()
	if want := `{"a":["é",{"y":true,"z":null}],"b":1}`; err != nil || string(content) != want {
		t.Errorf("got %s, %v", content, err)
	}
	one, _ := a.ContentDigest()
	two, _ := b.ContentDigest()
	// The hash was taken with sha256sum of the line above.
	if one != two || one != "sha-256:499bea6597af1f41cc034dd81a5848adcebad95e3e4a44a8b382cd8d57ece4d6" {
		t.Errorf("got %s and %s", one, two)
	}
	if _, err := mustDecode(t, []byte(`{"a":1e999}`)).ContentDigest(); FaultCode(err) != CodeValue {
		t.Errorf("a number beyond IEEE 754 has no canonical form: %v", err)
	}
}

func TestUnknownMembersAreKept(t *testing.T) {
	t.Parallel()
	d := payload(t, "misskey_like")
	if d.Members()["_misskey_reaction"] != ":bee:" || !strings.Contains(string(d.Raw()), `"_misskey_reaction":":bee:"`) {
		t.Error("unknown members must stay in the document")
	}
}

func TestAccessorsOfAnEmptyDocument(t *testing.T) {
	t.Parallel()
	var d Document
	if _, err := d.ID(); FaultCode(err) != CodeMissing {
		t.Errorf("id: %v", err)
	}
	if _, err := d.Type(); FaultCode(err) != CodeMissing {
		t.Errorf("type: %v", err)
	}
	if d.Is(PaymentType) || d.Has("id") || fmt.Sprintf("%s", d.Raw()) != "null" {
		t.Errorf("got %s", d.Raw())
	}
}
