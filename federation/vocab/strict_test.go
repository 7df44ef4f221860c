package vocab

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
}

func wide(members int) string {
	var b strings.Builder
	for i := range members {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

func sized(bytes int) string {
	const frame = `{"a":""}`
	return `{"a":"` + strings.Repeat("x", bytes-len(frame)) + `"}`
}

func TestDecodeTakesExactlyOneStrictDocument(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"empty object":         `{}`,
		"space around":         " {\"a\" : 1}\r\n\t ",
		"names differ by case": `{"actor":1,"Actor":2}`,
		"same name elsewhere":  `{"a":{"b":1},"c":{"b":2}}`,
		"surrogate pair":       `{"a":"\ud83d\ude00"}`,
		"any text":             `{"é":"ü\u2028 \u0001"}`,
		"depth at limit":       nested(MaxDepth),
		"members at limit":     wide(MaxMembers),
		"elements at limit":    `{"a":[` + strings.TrimSuffix(strings.Repeat("0,", MaxMembers-1), ",") + `]}`,
		"size at limit":        sized(MaxBytes),
	} {
		if _, err := Decode([]byte(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeNamesTheRuleAndTheMember(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, code, path string }{
		"nothing":            {"", CodeSyntax, ""},
		"space only":         {"  ", CodeSyntax, ""},
		"an array":           {"[]", CodeSyntax, ""},
		"a string":           {`"x"`, CodeSyntax, ""},
		"null":               {"null", CodeSyntax, ""},
		"two documents":      {"{} {}", CodeSyntax, ""},
		"garbage after":      {"{}x", CodeSyntax, ""},
		"cut off":            {`{"a":`, CodeSyntax, ""},
		"unclosed array":     {`{"a":[1`, CodeSyntax, ""},
		"trailing comma":     {`{"a":1,}`, CodeSyntax, ""},
		"comment":            {`{/* */"a":1}`, CodeSyntax, ""},
		"single quotes":      {`{'a':1}`, CodeSyntax, ""},
		"bare NaN":           {`{"a":NaN}`, CodeSyntax, "/a"},
		"leading zero":       {`{"a":01}`, CodeSyntax, ""},
		"byte order mark":    {"\ufeff{}", CodeSyntax, ""},
		"lone surrogate":     {`{"a":"\ud800"}`, CodeSyntax, "/a"},
		"bad UTF-8":          {"{\"a\":\"\xff\"}", CodeUTF8, ""},
		"overlong UTF-8":     {"{\"a\":\"\xc0\xaf\"}", CodeUTF8, ""},
		"NUL in a value":     {`{"a":{"b":"x\u0000"}}`, CodeUTF8, "/a/b"},
		"NUL in a name":      {`{"a\u0000":1}`, CodeUTF8, "/a\x00"},
		"name twice":         {`{"a":1,"a":1}`, CodeDuplicate, "/a"},
		"name twice, deep":   {`{"o":[{"a":1,"b":2,"a":3}]}`, CodeDuplicate, "/o/0/a"},
		"name twice, escape": {`{"amount":"1","\u0061mount":"2"}`, CodeDuplicate, "/amount"},
		"too deep":           {nested(MaxDepth + 1), CodeDepth, "/a" + strings.Repeat("/0", MaxDepth-1)},
		"10,001 arrays":      {nested(10_001), CodeDepth, "/a" + strings.Repeat("/0", MaxDepth-1)},
		"too many members":   {wide(MaxMembers + 1), CodeMembers, fmt.Sprintf("/m%d", MaxMembers-1)},
		"a million members":  {wide(60_000), CodeMembers, fmt.Sprintf("/m%d", MaxMembers-1)},
		"too large":          {sized(MaxBytes + 1), CodeSize, ""},
	} {
		_, err := Decode([]byte(c.doc))
		var fault *Fault
		if !errors.As(err, &fault) {
			t.Errorf("%s: got %v, want a Fault", name, err)
			continue
		}
		if fault.Code != c.code || (c.path != "" && fault.Path != c.path) {
			t.Errorf("%s: got %s at %q, want %s at %q", name, fault.Code, fault.Path, c.code, c.path)
		}
	}
}

func TestDecodeKeepsNumbersAndBytes(t *testing.T) {
	t.Parallel()
	raw := []byte(` {"n":9007199254740993,"e":1e1000000,"z":-0.00} `)
	d, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if string(d.Raw()) != string(raw) {
		t.Errorf("raw bytes changed: %q", d.Raw())
	}
	for name, want := range map[string]string{"n": "9007199254740993", "e": "1e1000000", "z": "-0.00"} {
		if got := d.Members()[name]; got != json.Number(want) {
			t.Errorf("%s: got %v, want %s", name, got, want)
		}
	}
}

func TestFaultPathsAreBounded(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("é", 5000)
	_, err := Decode([]byte(`{"` + name + `":[1,]}`))
	var fault *Fault
	if !errors.As(err, &fault) || len(fault.Path) > 300 || !json.Valid([]byte(`"`+fault.Path+`"`)) {
		t.Errorf("got a path of %d bytes", len(fault.Path))
	}
}
