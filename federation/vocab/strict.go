package vocab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what Decode takes. Go's own decoder would follow 10,000 levels.
const (
	MaxBytes   = 1 << 20 // bytes of one document, as Mastodon
	MaxDepth   = 32      // objects and arrays inside each other
	MaxMembers = 10_000  // object members and array elements in all
)

// Decode reads exactly one JSON object, strictly: valid UTF-8 without NUL (which
// no PostgreSQL text can hold), no name twice in an object, names compared byte
// by byte, numbers kept as they were written (json.Number), and all limits above.
// Duplicate names and lax decoders are how two servers come to read one signed
// document differently.
//
// The bytes are kept, not copied: the caller must not change raw afterwards.
// Every error is a *Fault with a json code.
func Decode(raw []byte) (Document, error) {
	members, err := decodeObject(raw)
	if err != nil {
		return Document{}, err
	}
	d := newDocument(members, nil, "")
	d.raw = raw
	return d, nil
}

func decodeObject(raw []byte) (map[string]any, error) {
	if len(raw) > MaxBytes {
		return nil, &Fault{Code: CodeSize, Rule: fmt.Sprintf("at most %d bytes", MaxBytes)}
	}
	if !utf8.Valid(raw) {
		return nil, &Fault{Code: CodeUTF8, Rule: "valid UTF-8"}
	}
	// jsontext refuses duplicate names and unpaired surrogates by itself (RFC 7493).
	s := strict{tokens: jsontext.NewDecoder(bytes.NewBuffer(raw))}
	value, err := s.value(0)
	if err != nil {
		return nil, syntaxFault(err)
	}
	if _, err := s.tokens.ReadToken(); err != io.EOF {
		return nil, &Fault{Code: CodeSyntax, Rule: "one JSON document and nothing after it"}
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, &Fault{Code: CodeSyntax, Rule: "a JSON object"}
	}
	return members, nil
}

// strict builds Go values from tokens and counts on the way, so that no limit
// has to be paid for after the memory is spent.
type strict struct {
	tokens *jsontext.Decoder
	count  int
}

func (s *strict) value(depth int) (any, error) {
	token, err := s.tokens.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return s.object(depth + 1)
	case '[':
		return s.array(depth + 1)
	case '"':
		return s.text(token)
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default:
		return nil, nil
	}
}

func (s *strict) object(depth int) (any, error) {
	if err := s.deep(depth); err != nil {
		return nil, err
	}
	members := make(map[string]any)
	for s.tokens.PeekKind() != '}' {
		if err := s.next(); err != nil {
			return nil, err
		}
		token, err := s.tokens.ReadToken()
		if err != nil {
			return nil, err
		}
		name, err := s.text(token)
		if err != nil {
			return nil, err
		}
		if members[name], err = s.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := s.tokens.ReadToken()
	return members, err
}

func (s *strict) array(depth int) (any, error) {
	if err := s.deep(depth); err != nil {
		return nil, err
	}
	elements := []any{}
	for s.tokens.PeekKind() != ']' {
		if err := s.next(); err != nil {
			return nil, err
		}
		element, err := s.value(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	_, err := s.tokens.ReadToken()
	return elements, err
}

func (s *strict) text(token jsontext.Token) (string, error) {
	text := token.String()
	if strings.IndexByte(text, 0) >= 0 {
		return "", s.fault(CodeUTF8, "no NUL character")
	}
	return text, nil
}

func (s *strict) deep(depth int) error {
	if depth > MaxDepth {
		return s.fault(CodeDepth, fmt.Sprintf("at most %d levels", MaxDepth))
	}
	return nil
}

func (s *strict) next() error {
	if s.count++; s.count > MaxMembers {
		return s.fault(CodeMembers, fmt.Sprintf("at most %d members", MaxMembers))
	}
	return nil
}

func (s *strict) fault(code, rule string) error {
	return &Fault{Code: code, Path: clip(string(s.tokens.StackPointer())), Rule: rule}
}

// syntaxFault turns the decoder's error into a Fault that quotes no values: what
// a stranger sent doesn't belong in our logs or in our answer.
func syntaxFault(err error) error {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault
	}
	var syntax *jsontext.SyntacticError
	path := ""
	if errors.As(err, &syntax) {
		path = clip(string(syntax.JSONPointer))
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return &Fault{Code: CodeDuplicate, Path: path, Rule: "each name once"}
	}
	return &Fault{Code: CodeSyntax, Path: path, Rule: "well-formed JSON"}
}

// clip bounds a path made of the sender's own names.
func clip(path string) string {
	const most = 256
	if len(path) <= most {
		return path
	}
	return strings.ToValidUTF8(path[:most], "") + "…"
}
