package vocab

import (
	"errors"
	"strings"
)

// A Fault is what is wrong with a document: the member, and the rule it breaks.
// Every error of this package that is the sender's doing is a *Fault; receivers
// answer it once with 400 and never ask again.
type Fault struct {
	Code string // one of the Code constants: for logs, metrics and problem types
	Path string // JSON Pointer (RFC 6901) to the member; "" is the whole document
	Rule string // what is wanted there, in words
}

// Codes of faults. The json ones come from Decode, the others from the parsers.
const (
	CodeSize      = "json.size"        // larger than MaxBytes, or than MaxSent on the way out
	CodeUTF8      = "json.utf8"        // not UTF-8, or a NUL character
	CodeSyntax    = "json.syntax"      // not one JSON document
	CodeDuplicate = "json.duplicate"   // a name twice in one object
	CodeDepth     = "json.depth"       // nested deeper than MaxDepth
	CodeMembers   = "json.members"     // more than MaxMembers values
	CodeMissing   = "member.missing"   // a required member isn't there
	CodeKind      = "member.kind"      // a member of the wrong JSON type
	CodeValue     = "member.value"     // a value outside its grammar or limit
	CodeAmbiguous = "member.ambiguous" // two members that mean the same term
	CodeType      = "type"             // another type of object than expected
	CodeIRI       = "iri"              // not an absolute web address
	CodeAddress   = "iri.address"      // a host given as an IP address
	CodeAmount    = "amount"           // an amount outside its grammar
	CodePeriod    = "period"           // no month
	CodeCurrency  = "currency"         // no ISO 4217 code
	CodeScale     = "claim.scale"      // fl:assetScale isn't ours
	CodeOrder     = "claim.order"      // lines unsorted or doubled
	CodeCount     = "claim.count"      // fl:lineCount isn't the number of lines
	CodeTotal     = "claim.total"      // the total isn't the sum of the lines
	CodeDigest    = "claim.digest"     // the digest isn't that of the lines
	CodeSuccessor = "claim.supersedes" // a successor without its refusal
)

// Error names the member and the rule.
func (f *Fault) Error() string {
	if f.Path == "" {
		return f.Rule
	}
	return f.Path + ": " + f.Rule
}

// FaultCode is the code of the first Fault in err's chain, "" if there is none.
func FaultCode(err error) string {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault.Code
	}
	return ""
}

// at gives a fault found below path its full address.
func at(path string, err error) error {
	var fault *Fault
	if err == nil || !errors.As(err, &fault) {
		return err
	}
	return &Fault{Code: fault.Code, Path: path + fault.Path, Rule: fault.Rule}
}

// pointer appends one reference token to a JSON Pointer (RFC 6901 §3).
func pointer(path, name string) string {
	return path + "/" + pointerEscapes.Replace(name)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
