package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestErrorsAreToldApart: bad input and faults are refusals, wrapped or not, and nothing else is.
func TestErrorsAreToldApart(t *testing.T) {
	t.Parallel()
	field, fault := &ledger.FieldError{Field: "name", Rule: "taken"}, &ledger.ClaimFault{Code: "malformed", Detail: "no lines"}
	for _, err := range []error{field, fault, fmt.Errorf("inbox: %w", field), errors.Join(fault, nil)} {
		if !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%v", err)
		}
	}
	broken := ledger.Violation{Invariant: "books", Row: "deposit 7"}
	for _, said := range [][2]string{{field.Error(), "name: taken"}, {fault.Error(), "malformed: no lines"}, {broken.String(), "books: deposit 7"}} {
		if said[0] != said[1] {
			t.Errorf("%q, want %q", said[0], said[1])
		}
	}
}

// TestSetPassword replaces the password, ends every session, and leaves who left alone.
func TestSetPassword(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, gone := i.Join("alice"), i.Join("gone")
	if err := i.DeleteMember(ctx, gone.ID); err != nil {
		t.Fatal(err)
	}
	if err := i.SetPassword(ctx, "alice", "$argon2id$2"); err != nil {
		t.Fatal(err)
	}
	if now, hash, err := i.PasswordHash(ctx, "alice"); err != nil || hash != "$argon2id$2" || now.Epoch != alice.Epoch+1 {
		t.Errorf("%+v, %s, %v", now, hash, err)
	}
	for _, name := range []string{"gone", "nobody"} {
		if err := i.SetPassword(ctx, name, "$argon2id$2"); kind(err) != "not found" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLines are the rows that the hash is of, sorted, so that two histories can be compared.
func TestLines(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	i.Fund(i.Join("alice"), 1_000_000)
	want := []string{
		"account bank - EUR 1000000 0 0 0",
		"account clearing - EUR 0 0 0 1000000",
		"account means alice EUR 0 1000000 1000000 0",
		"deposit alice 1000000 alice 2026-11-10T12:00:00Z 1000000",
		"month 2026-11 open rollover prepaid",
		"reservation alice 2026-11 1000000 reserved",
		"transfer deposit single bank - means alice 1000000",
	}
	if got := lines(t, i); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
