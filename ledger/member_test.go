package ledger_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestJoinAndLeave: a member's life with an account.
func TestJoinAndLeave(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	invite, err := i.CreateInvite(ctx, i.Op.ID, "for two", 2)
	if err != nil {
		t.Fatal(err)
	}
	join := ledger.Joining{Code: " " + invite.Code + "\n", Name: "alice", DisplayName: "  Alice Ä. ", PasswordHash: "$argon2id$1", Language: "de"}
	alice, err := i.Ledger.Join(ctx, join)
	want := ledger.Member{ID: alice.ID, Name: "alice", DisplayName: "Alice Ä.", Language: "de", Role: ledger.RoleMember, Epoch: 1, CreatedAt: i.Now()}
	if d := cmp.Diff(want, alice); d != "" || err != nil || alice.Operator() || !i.Op.Operator() {
		t.Errorf("%v %s", err, d)
	}
	if all, err := i.Invites(ctx, i.Op.ID); err != nil || len(all) != 1 || all[0].UsesLeft != 1 || all[0].Note != "for two" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := i.InviteGood(ctx, invite.Code); err != nil {
		t.Error(err)
	}
	join.Name, join.DisplayName = "bob", " "
	if bob, err := i.Ledger.Join(ctx, join); err != nil || bob.DisplayName != "bob" {
		t.Errorf("%+v, %v", bob, err)
	}
	if all, err := i.Invites(ctx, i.Op.ID); err != nil || len(all) != 0 {
		t.Errorf("used up, but listed: %+v, %v", all, err)
	}
	for _, change := range []error{i.SetLanguage(ctx, alice.ID, "en"), i.SetDisplayName(ctx, alice.ID, " A ")} {
		if change != nil {
			t.Error(change)
		}
	}
	button, _ := i.Button(alice, "1")
	_, hash, err := i.PasswordHash(ctx, "alice")
	if now, e := i.Member(ctx, alice.ID); now.Language != "en" || now.DisplayName != "A" || hash != "$argon2id$1" || err != nil || e != nil {
		t.Errorf("%+v, %q, %v, %v", now, hash, err, e)
	}
	if err := i.SetDisplayName(ctx, alice.ID, ""); err != nil || named(t, i, "alice").DisplayName != "alice" {
		t.Errorf("no name is the handle: %+v, %v", named(t, i, "alice"), err)
	}
	if err := i.DeleteMember(ctx, alice.ID); err != nil {
		t.Fatal(err)
	}
	gone := named(t, i, "alice")
	if gone.DeletedAt == nil || gone.Budget != 0 || gone.Epoch != 2 {
		t.Errorf("%+v", gone)
	}
	if b, err := i.Ledger.Button(ctx, button.ID); err != nil || b.RemovedAt == nil {
		t.Errorf("%+v, %v", b, err)
	}
	if got, want := i.DepositReference(alice), "FLATTR alice "; got[:len(want)] != want {
		t.Error(got)
	}
}

// TestLeaveWithMoney: whoever has money here, in any form, stays until it is given or paid out.
func TestLeaveWithMoney(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	_, thing := i.Button(bob, "1")
	leave := func(what string, m ledger.Member, want string) {
		t.Helper()
		if got := kind(i.DeleteMember(ctx, m.ID)); got != want {
			t.Errorf("%s: %s; want %s", what, got, want)
		}
	}
	i.Fund(alice, 1_000_000)
	leave("with means held for the month", alice, "not enough money")
	if _, _, err := i.Flattr(ctx, alice.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	settle(t, i, "2026-11")
	leave("with earnings", bob, "not enough money")
	w, err := i.RequestWithdrawal(ctx, bob.ID, 1_000_000, "DE75 5121 0800 1245 1261 99")
	if err != nil || w.Iban != "DE75512108001245126199" || w.State != "requested" || len(w.Reference) > 35 {
		t.Fatalf("%+v, %v", w, err)
	}
	leave("with a withdrawal open", bob, "not enough money")
	if err := i.WithdrawalPaid(ctx, i.Op.ID, w.ID); err != nil {
		t.Fatal(err)
	}
	if all, err := i.Withdrawals(ctx); err != nil || len(all) != 1 || all[0].State != "paid" || all[0].DecidedAt == nil {
		t.Errorf("%+v, %v", all, err)
	}
	leave("paid out", bob, "done")
	leave("with everything given", alice, "done")
}

// TestButtons: one per owner and URL; taken away and made again it is the same; followers are told
// of a new one, once.
func TestButtons(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	const follower, follow = "https://m.example/users/fan", "https://m.example/follows/1"
	for _, id := range []string{follow, follow + "2"} { // servers send the same follow under new ids
		if err := i.Follow(ctx, "alice", follower, id); err != nil {
			t.Fatal(err)
		}
	}
	n, err := i.Followers(ctx, alice.ID)
	told := i.Outbox.Take(t)
	if want := (ledger.Message{Kind: ledger.TellAcceptFollow, Key: "alice " + follow + "2", To: follower}); n != 1 || err != nil || len(told) != 2 || told[1] != want {
		t.Errorf("%d followers, told %v, %v", n, told, err)
	}
	one := ledger.NewButton{URL: "https://blog.example/1", Title: " One ", Summary: " first "}
	button, err := i.CreateButton(ctx, alice.ID, one)
	if told := i.Outbox.Take(t); err != nil || len(told) != 1 || told[0] != (ledger.Message{Kind: ledger.TellButton, Key: button.ID, To: follower}) {
		t.Errorf("told %v, %v", told, err)
	}
	again, err := i.CreateButton(ctx, alice.ID, one)
	if d := cmp.Diff(button, again); d != "" || err != nil || button.Title != "One" || button.Summary != "first" || len(i.Outbox.Take(t)) != 0 {
		t.Errorf("%v %s", err, d)
	}
	other, err := i.CreateButton(ctx, bob.ID, one)
	if err != nil || other.ID == button.ID {
		t.Errorf("another's button for the same URL: %+v, %v", other, err)
	}
	if err := i.RemoveButton(ctx, bob.ID, button.ID); kind(err) != "not found" {
		t.Errorf("another's button taken away: %v", err)
	}
	if err := i.RemoveButton(ctx, alice.ID, button.ID); err != nil {
		t.Error(err)
	}
	if err := i.RemoveButton(ctx, alice.ID, button.ID); kind(err) != "not found" {
		t.Errorf("taken away twice: %v", err)
	}
	if all, err := i.Buttons(ctx, alice.ID); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	back, err := i.CreateButton(ctx, alice.ID, one)
	if err != nil || back.ID != button.ID || back.RemovedAt != nil {
		t.Errorf("%+v, %v", back, err)
	}
	all, err := i.Buttons(ctx, alice.ID)
	if err != nil || len(all) != 1 || !slices.Equal(all, []ledger.Button{back}) {
		t.Errorf("%+v, %v", all, err)
	}
	for range 2 {
		if err := i.Unfollow(ctx, "alice", follower); err != nil {
			t.Error(err)
		}
	}
	if n, err := i.Followers(ctx, alice.ID); n != 0 || err != nil {
		t.Errorf("%d followers, %v", n, err)
	}
}

// TestPeers: a key is pinned on first use and confirmed by an operator who names it.
func TestPeers(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	id := ledger.PeerIdentity{Host: "b.example", Actor: "https://b.example/actor", Inbox: "https://b.example/inbox", AccountingKey: "z6Mk", AccountingKeyID: "https://b.example/actor#accounting-key"}
	pinned, err := i.PinPeer(ctx, id)
	want := ledger.Peer{ID: pinned.ID, Host: id.Host, Actor: id.Actor, Inbox: id.Inbox, AccountingKey: id.AccountingKey,
		AccountingKeyID: id.AccountingKeyID, Threshold: 10_000_000, CreatedAt: i.Now()}
	if d := cmp.Diff(want, pinned); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	id.Inbox = "https://b.example/shared"
	if again, err := i.PinPeer(ctx, id); err != nil || again.Inbox != id.Inbox || again.ID != pinned.ID {
		t.Errorf("%+v, %v", again, err)
	}
	if err := i.ConfirmPeerKey(ctx, i.Op.ID, "b.example", "z6Mk"); err != nil {
		t.Error(err)
	}
	if p, err := i.Peer(ctx, "b.example"); err != nil || p.KeyConfirmedAt == nil {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := i.SaveThing(ctx, ledger.RemoteThing{IRI: "https://c.example/buttons/1", Payee: "https://c.example/users/1", Host: "c.example"}); err != nil {
		t.Fatal(err) // its row is there: the key alone is what they race for
	}
	var pins atomic.Int64
	atOnce(8, func(n int) {
		_, err := i.PinPeer(ctx, ledger.PeerIdentity{Host: "c.example", AccountingKey: string(rune('a' + n))})
		if err == nil {
			pins.Add(1)
		} else if kind(err) != "conflict" {
			t.Error(err)
		}
	})
	if n := pins.Load(); n != 1 {
		t.Errorf("%d keys were pinned", n)
	}
}
