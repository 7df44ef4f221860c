package federationtest

import (
	"context"
	"net/http"
	"slices"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// Backup is an instance as it was: its database, and what it still had to tell.
type Backup struct {
	of      *Instance
	name    string
	waiting []parcel
}

// Of is whose backup it is.
func (b Backup) Of() *Instance { return b.of }

// Backup copies an instance's database; it stops for that and starts again.
func (w *World) Backup(i *Instance) Backup {
	w.t.Helper()
	w.Network.collect(i)
	b := Backup{of: i, name: i.Copy()}
	for _, p := range w.Network.waiting {
		if p.from == i {
			b.waiting = append(b.waiting, *p)
		}
	}
	w.serveOn(i)
	return b
}

// Restore puts a backup in the place of an instance's database, and starts it. What it had told since stays told,
// what it was about to tell is lost; its own backup can be restored once.
func (w *World) Restore(b Backup) {
	w.t.Helper()
	i := b.of
	i.Outbox.Take(w.t)
	w.Network.waiting = slices.DeleteFunc(w.Network.waiting, func(p *parcel) bool { return p.from == i })
	for _, p := range b.waiting {
		p.from = i
		w.Network.waiting = append(w.Network.waiting, &p)
	}
	i.Reopen(b.name)
	w.serveOn(i)
	w.must(i.Server.Start(context.Background()))
	w.Network.collect(i)
}

// serveOn makes the server of an instance on the database that it has now.
func (w *World) serveOn(i *Instance) {
	i.Server = federation.New(federation.Config{Ledger: i.Ledger, Pool: i.Pool, Client: w.Client(),
		Web: vocab.Web{AllowHTTP: true}, Log: w.log, Version: "test"})
	i.Handler = i.Server.Handler(http.NotFoundHandler())
	w.Serve(i.Ledger.Instance().Host, i.Handler)
}
