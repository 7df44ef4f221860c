package federation

import (
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/ledger"
)

var (
	silence = &guard.Error{Code: guard.CodeTimeout}
	away    = &guard.Error{Code: guard.CodeUnreachable}
)

// watched is hosts whose clock a test turns.
type watched struct {
	*hosts
	t  *testing.T
	at time.Time
}

func watch(t *testing.T) *watched {
	w := &watched{t: t, at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	w.hosts = newHosts(func() time.Time { return w.at })
	return w
}

// try makes one delivery that takes a while and comes to err.
func (w *watched) try(host string, took time.Duration, err error) {
	w.t.Helper()
	leave, wait := w.enter(host, 1)
	if leave == nil {
		w.t.Fatalf("%s has no place for %v", host, wait)
	}
	w.at = w.at.Add(took)
	leave(err)
}

// rest is for how long a host is left alone; 0 if it isn't. Who comes meanwhile comes after that.
func (w *watched) rest(host string) time.Duration {
	leave, wait := w.enter(host, 1)
	if leave != nil {
		leave(errUnknown)
		return 0
	}
	left := w.byHost[host].rested.Sub(w.at)
	if wait < left || wait > left*5/4+time.Second {
		w.t.Errorf("a job comes again after %v, and the rest is %v", wait, left)
	}
	return left
}

// TestFewDeliveriesPerHost: two at a time, whoever they are for there; another host isn't concerned.
func TestFewDeliveriesPerHost(t *testing.T) {
	t.Parallel()
	w := watch(t)
	first, _ := w.enter("a.example", 1)
	second, _ := w.enter("a.example", 1)
	if third, wait := w.enter("a.example", 1); first == nil || second == nil || third != nil || wait > 2*shortestTurn {
		t.Errorf("a third got in, or is to wait for %v", wait)
	}
	if other, _ := w.enter("b.example", 1); other == nil {
		t.Error("another host has no place")
	}
	first(nil)
	if third, _ := w.enter("a.example", 1); third == nil {
		t.Error("nobody gets in after one has left")
	}
	for to, want := range map[string]string{"https://A.example/users/x": "a.example", "http://a.example:80/": "a.example:80", "a.example": "a.example", "https://a.example": "a.example"} {
		if got := recipientHost(to); got != want {
			t.Errorf("%s is at %q", to, got)
		}
	}
}

// TestSilentHostsAreLeftAlone: after three failures in a row for 30 seconds, doubling up to an hour, with one
// probe at a time; whatever a host answers ends that.
func TestSilentHostsAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := watch(t)
	for range 2 {
		w.try("a.example", guard.PostTimeout, silence)
	}
	if rest := w.rest("a.example"); rest != 0 {
		t.Errorf("after two failures: %v", rest)
	}
	want := firstRest
	for n := range 12 {
		w.try("a.example", guard.PostTimeout, silence)
		if rest := w.rest("a.example"); rest != want {
			t.Fatalf("after failure %d: %v, want %v", n+3, rest, want)
		}
		if rest := w.rest("b.example"); rest != 0 {
			t.Errorf("another host: %v", rest)
		}
		w.at = w.at.Add(want)
		want = min(2*want, time.Hour)
	}
	probe, _ := w.enter("a.example", 1)
	if second, wait := w.enter("a.example", 1); probe == nil || second != nil || wait > time.Minute {
		t.Error("there isn't one probe")
	}
	probe(errors.New("our own database")) // it wasn't asked
	if second, _ := w.enter("a.example", 1); second == nil {
		t.Error("no second probe after one that asked nothing")
	} else {
		second(&guard.Error{Code: guard.CodeStatus, Status: 503})
	}
	if len(w.byHost) != 0 {
		t.Errorf("%d hosts are remembered", len(w.byHost))
	}
	for range 2 {
		w.try("a.example", guard.PostTimeout, silence)
	}
	w.try("a.example", 0, nil)
	w.try("a.example", guard.PostTimeout, silence)
	if rest := w.rest("a.example"); rest != 0 {
		t.Errorf("failures that aren't in a row: %v", rest)
	}
}

// TestRestartsAreShort: a server that restarts refuses connections for seconds, and is tried meanwhile by
// each message's own backoff; one that stays away is left alone. Failures that were under way count once.
func TestRestartsAreShort(t *testing.T) {
	t.Parallel()
	w := watch(t)
	for range 9 {
		w.try("a.example", time.Second, away)
	}
	if rest := w.rest("a.example"); rest != 0 {
		t.Errorf("a restart: %v", rest)
	}
	first, _ := w.enter("a.example", 1)
	second, _ := w.enter("a.example", 1)
	w.at = w.at.Add(time.Minute)
	first(away)
	second(away)
	if rest := w.rest("a.example"); rest != firstRest {
		t.Errorf("two at once: %v", rest)
	}
}

// TestTurns: those who wait for a busy host come about twice as fast as it takes them, and never as one;
// who has got in waits no more, nor does who was told by another process.
func TestTurns(t *testing.T) {
	t.Parallel()
	w := watch(t)
	mean := func(waiting int, age time.Duration) (sum time.Duration) {
		c := &circuit{took: usualTime, begun: []time.Time{w.at.Add(-age)}, waiting: map[int64]time.Time{}, pruned: w.at}
		for n := range waiting - 1 {
			c.waiting[int64(n)] = w.at
		}
		seen := map[time.Duration]bool{}
		for range 500 {
			wait := c.turn(w.at)
			sum, seen[wait] = sum+wait, true
		}
		if len(seen) < 400 {
			t.Errorf("%d different waits", len(seen))
		}
		return sum / 500
	}
	for _, c := range []struct {
		waiting   int
		age, want time.Duration
	}{{1, 0, shortestTurn}, {1000, 0, 25 * time.Second}, {100, 10 * time.Second, 250 * time.Second}, {100_000, 10 * time.Second, longestTurn}} {
		if got := mean(c.waiting, c.age); got < c.want*4/5 || got > c.want*6/5 {
			t.Errorf("%d wait and the host is silent for %v: %v", c.waiting, c.age, got)
		}
	}
	for range deliveriesPerHost {
		w.enter("a.example", 1)
	}
	for job := range int64(50) {
		w.enter("a.example", 2+job%10)
	}
	c := w.byHost["a.example"]
	if len(c.waiting) != 10 {
		t.Errorf("%d wait", len(c.waiting))
	}
	w.at = w.at.Add(2 * longestTurn)
	if w.enter("a.example", 100); len(c.waiting) != 1 {
		t.Errorf("%d wait long after", len(c.waiting))
	}
}

// TestBusyHostsGiveTheWorkerBack: without an attempt, and money too.
func TestBusyHostsGiveTheWorkerBack(t *testing.T) {
	t.Parallel()
	w := watch(t)
	for range deliveriesPerHost {
		w.enter("a.example", 1)
	}
	worker := &deliverWorker{s: &Server{hosts: w.hosts}}
	for kind, to := range map[string]string{ledger.TellLike: "https://a.example/users/x", ledger.TellClaim: "a.example"} {
		var snooze *rivertype.JobSnoozeError
		err := worker.Work(t.Context(), &river.Job[deliverArgs]{JobRow: &rivertype.JobRow{Attempt: 1}, Args: deliverArgs{What: kind, To: to}})
		if !errors.As(err, &snooze) || snooze.Duration > 2*shortestTurn {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestManyHosts: what is remembered is bounded; who is being told something isn't forgotten.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	w := watch(t)
	busy, _ := w.enter("busy.example", 1)
	for n := range maxHosts + 10 {
		w.try(time.Duration(n).String(), 0, away)
	}
	if n := len(w.byHost); n > maxHosts || w.byHost["busy.example"] == nil {
		t.Errorf("%d hosts are remembered", n)
	}
	busy(nil)
}
