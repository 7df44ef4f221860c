package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/fedflattr/flattrd/ledger"
)

// form is what was typed and what is wrong with it; the zero form is an empty one.
type form struct {
	Values url.Values
	Errors map[string]ledger.FieldError // by field
}

// filled is a form that begins with values, name after name.
func filled(pairs ...string) form {
	f := form{Values: url.Values{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Values.Set(pairs[i], pairs[i+1])
	}
	return f
}

// Fault is what is wrong with a field; nil when nothing is.
func (f form) Fault(name string) *ledger.FieldError {
	if e, wrong := f.Errors[name]; wrong {
		return &e
	}
	return nil
}

// refusedForm keeps what was typed and ties an error to its field. ok is false when the error is no
// fault of the form's: then it is the caller's to return.
func refusedForm(r *http.Request, err error) (f form, ok bool) {
	var field *ledger.FieldError
	if !errors.As(err, &field) {
		return form{}, false
	}
	return form{Values: r.PostForm, Errors: map[string]ledger.FieldError{field.Field: *field}}, true
}

// at is the request of a refused form with the query that its page would be opened with, so that choosing
// a language there leads back to all that the link held.
func at(r *http.Request, pairs ...string) *http.Request {
	opened := r.Clone(r.Context())
	opened.URL.RawQuery = filled(pairs...).Values.Encode()
	return opened
}

// as names another field for a fault: a ledger rule that the page shows at an input of its own.
func as(err, is error, field, rule string) error {
	if errors.Is(err, is) {
		return &ledger.FieldError{Field: field, Rule: rule}
	}
	return err
}

// again shows a page whose form was refused; other errors pass through.
func (s *Site) again(w http.ResponseWriter, r *http.Request, v visit, err error, name string, data func(form) (any, error)) error {
	f, ok := refusedForm(r, err)
	if !ok {
		return err
	}
	d, err := data(f)
	if err != nil {
		return err
	}
	return s.render(w, r, v, http.StatusUnprocessableEntity, name, d)
}

// input is one field for the "field" template.
type input struct {
	ID, Name     string
	Label        string // Label and Hint are message keys
	Hint         string
	Value        string
	Fault        *ledger.FieldError
	Type         string
	Autocomplete string
	Inputmode    string
	Required     bool
	Minlength    string
	Maxlength    string
	Rows         string
	Suffix       string
}

// newInput describes a field: its form, name and label, then options, name after name.
func newInput(f form, name, label string, options ...string) input {
	in := input{ID: "f-" + name, Name: name, Label: label, Type: "text", Value: f.Values.Get(name), Fault: f.Fault(name)}
	for i := 0; i+1 < len(options); i += 2 {
		in.set(options[i], options[i+1])
	}
	if in.Type == "password" {
		in.Value = ""
	}
	return in
}

func (in *input) set(option, value string) {
	switch option {
	case "id": // where a page has the field more than once
		in.ID += "-" + value
	case "type":
		in.Type = value
	case "hint":
		in.Hint = value
	case "autocomplete":
		in.Autocomplete = value
	case "inputmode":
		in.Inputmode = value
	case "required":
		in.Required = value == "yes"
	case "minlength":
		in.Minlength = value
	case "maxlength":
		in.Maxlength = value
	case "rows":
		in.Rows = value
	case "suffix":
		in.Suffix = value
	default:
		panic("web: internal error: field option " + option)
	}
}

// rule puts a broken rule in words: the field's own message if there is one, else the rule's.
func (sp *speech) rule(e ledger.FieldError) string {
	own := "rule." + e.Field + "." + e.Rule
	if text := sp.say(own); text != own {
		return text
	}
	return sp.say("rule." + e.Rule)
}
