package signature_test

import (
	"errors"
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	cavage "github.com/go-fed/httpsig"

	"github.com/fedflattr/flattrd/federation/signature"
)

// Case S5, e: what was signed at noon, read at other times.
func TestAge(t *testing.T) {
	t.Parallel()
	const hour, tenMinutes, tick = time.Hour, 10 * time.Minute, time.Second
	cases := []struct {
		kind signature.Kind
		read time.Duration // after signing, by our clock
		skew time.Duration // 0: the default
		code signature.Code
	}{
		{signature.Cavage, 0, 0, ""},
		{signature.Cavage, hour, 0, ""},
		{signature.Cavage, -hour, 0, ""},
		{signature.Cavage, hour + tick, 0, signature.CodeAge},
		{signature.Cavage, -hour - tick, 0, signature.CodeAge},
		{signature.Cavage, 2 * hour, 0, signature.CodeAge},
		{signature.Cavage, -2 * hour, 0, signature.CodeAge},
		{signature.Cavage, tenMinutes, tenMinutes, ""},
		{signature.Cavage, tenMinutes + tick, tenMinutes, signature.CodeAge},
		{signature.Cavage, -tenMinutes - tick, tenMinutes, signature.CodeAge},
		{signature.Cavage, 24 * 365 * 200 * hour, 0, signature.CodeAge},
		{signature.RFC9421, 0, 0, ""},
		{signature.RFC9421, hour, 0, ""},
		{signature.RFC9421, hour + tick, 0, signature.CodeAge},
		{signature.RFC9421, -10 * tick, 0, ""},
		{signature.RFC9421, -11 * tick, 0, signature.CodeAge},
		{signature.RFC9421, -2 * hour, 0, signature.CodeAge},
		{signature.RFC9421, tenMinutes, tenMinutes, ""},
		{signature.RFC9421, tenMinutes + tick, tenMinutes, signature.CodeAge},
	}
	for _, c := range cases {
		r, body := signedPost(t, c.kind, makeEd25519())
		want := expect(noon.Add(c.read))
		want.MaxSkew = c.skew
		err := accept(r, body, want, makeEd25519().Public())
		if signature.CodeOf(err) != c.code {
			t.Errorf("%s read after %v with skew %v: %v, want %q", c.kind, c.read, c.skew, err, c.code)
		}
	}
}

// A claim has less time than a Like, which is known when the body has been read.
func TestCheckAgeAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		r, body := signedPost(t, kind, makeRSA())
		later := noon.Add(30 * time.Minute)
		signed, err := signature.Parse(r, body, expect(later))
		wantCode(t, err, "")
		wantCode(t, signed.CheckAge(later, 0), "")
		wantCode(t, signed.CheckAge(later, 10*time.Minute), signature.CodeAge)
	}
}

// The peer must learn whose clock is wrong.
func TestAgeRefusalKnowsOurTime(t *testing.T) {
	t.Parallel()
	r, body := signedPost(t, signature.Cavage, makeRSA())
	late := noon.Add(2 * time.Hour)
	_, err := signature.Parse(r, body, expect(late))
	var refusal *signature.Error
	if !errors.As(err, &refusal) || !refusal.Now.Equal(late) {
		t.Fatalf("%#v", err)
	}
	const want = "sig.age: date: 2026-11-24T12:00:00Z is more than 1h0m0s from our clock"
	if got := refusal.Error(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDatesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, date := range []string{"", "now", "2026-11-24T12:00:00Z", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		req := dressed(t, http.MethodPost, inboxURL, like, goodDigest(t))
		req.Header.Set("Date", date)
		cavageOver(t, req, makeRSA(), "(request-target)", "host", "date", "digest")
		r, body := received(t, req)
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
	req := dressed(t, http.MethodPost, inboxURL, like, goodDigest(t))
	req.Header.Add("Date", noon.AddDate(0, 1, 0).Format(http.TimeFormat)) // both signed, as one line
	cavageOver(t, req, makeRSA(), "(request-target)", "host", "date", "digest")
	r, body := received(t, req)
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
}

// A Date that RFC 9421 covers is a time like any other.
func TestSignedDateCountsInRFC9421(t *testing.T) {
	t.Parallel()
	for hours, code := range map[time.Duration]signature.Code{0: "", 2: signature.CodeAge} {
		req := request(t, http.MethodPost, inboxURL, like)
		req.Header.Set("Date", time.Now().Add(-hours*time.Hour).UTC().Format(http.TimeFormat))
		rfc9421Over(t, req, makeEd25519(), "@method", "@target-uri", "content-digest", "date")
		r, body := received(t, req)
		wantCode(t, accept(r, body, expect(time.Now()), makeEd25519().Public()), code)
	}
}

// A Date doesn't stand in for the creation time that RFC 9421 has of its own.
func TestDateInsteadOfCreatedInRFC9421(t *testing.T) {
	t.Parallel()
	req := request(t, http.MethodPost, inboxURL, like)
	req.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	rfc9421Over(t, req, makeEd25519(), "@method", "@target-uri", "content-digest", "date")
	r, body := received(t, req)
	input := r.Header.Get("Signature-Input")
	r.Header.Set("Signature-Input", regexp.MustCompile(`;created=[0-9]+`).ReplaceAllString(input, ""))
	_, err := signature.Parse(r, body, expect(time.Now()))
	wantCode(t, err, signature.CodeCoverage)
}

// A turned clock, years off the machine's, is all that counts.
func TestTurnedClock(t *testing.T) {
	t.Parallel()
	for _, years := range []int{-5, 5} {
		turned := time.Now().AddDate(years, 0, 0)
		for kind, sign := range map[signature.Kind]func(*http.Request, []byte, signature.PrivateKey, time.Time) error{
			signature.Cavage: signature.SignCavage, signature.RFC9421: signature.SignRFC9421,
		} {
			req := request(t, http.MethodPost, inboxURL, like)
			if err := sign(req, []byte(like), makeEd25519(), turned); err != nil {
				t.Fatal(err)
			}
			r, body := received(t, req)
			if err := accept(r, body, expect(turned), makeEd25519().Public()); err != nil {
				t.Errorf("%s %d years off: %v", kind, years, err)
			}
		}
	}
}

// Case S5, f, for RFC 9421: the library signs now, and lets it expire in a minute.
func TestExpiryInRFC9421(t *testing.T) {
	t.Parallel()
	cases := []struct {
		read time.Duration
		code signature.Code
	}{
		{0, ""}, {time.Minute, ""}, {72 * time.Second, signature.CodeAge}, {-time.Minute, signature.CodeAge},
	}
	for _, c := range cases {
		req := request(t, http.MethodPost, inboxURL, like)
		rfc9421Over(t, req, makeEd25519(), "@method", "@target-uri", "content-digest")
		now := time.Now()
		r, body := received(t, req)
		err := accept(r, body, expect(now.Add(c.read)), makeEd25519().Public())
		if signature.CodeOf(err) != c.code {
			t.Errorf("read after %v: %v, want %q", c.read, err, c.code)
		}
	}
}

// createdNow signs with (created) and (expires), which go-fed/httpsig takes from the
// machine's clock.
func createdNow(t *testing.T, names ...string) (*http.Request, []byte) {
	t.Helper()
	req := dressed(t, http.MethodPost, inboxURL, like, goodDigest(t))
	req.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	names = append([]string{"(request-target)", "host", "digest"}, names...)
	signer, _, err := cavage.NewSigner([]cavage.Algorithm{cavage.ED25519}, cavage.DigestSha256, names, cavage.Signature, 60)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.SignRequest(bare(t, makeEd25519()), edID, req, nil); err != nil {
		t.Fatal(err)
	}
	return received(t, req)
}

// Case S5, f, for draft-cavage, by our clock.
func TestCreatedAndExpiresInCavage(t *testing.T) {
	t.Parallel()
	cases := []struct {
		names []string
		read  time.Duration
		code  signature.Code
	}{
		{[]string{"(created)"}, 0, ""},
		{[]string{"(created)", "date"}, 0, ""},
		{[]string{"(created)", "(expires)"}, 0, ""},
		{[]string{"(created)", "(expires)"}, 30 * time.Second, ""},
		{[]string{"(created)", "(expires)"}, 72 * time.Second, signature.CodeAge},
		{[]string{"(created)"}, -time.Minute, signature.CodeAge},
		{[]string{"(created)", "date"}, -time.Minute, signature.CodeAge},
		{[]string{"(created)"}, 2 * time.Hour, signature.CodeAge},
		{[]string{"(expires)"}, 0, signature.CodeCoverage},
	}
	for _, c := range cases {
		r, body := createdNow(t, c.names...)
		err := accept(r, body, expect(time.Now().Add(c.read)), makeEd25519().Public())
		if signature.CodeOf(err) != c.code {
			t.Errorf("%v read after %v: %v, want %q", c.names, c.read, err, c.code)
		}
	}
}

// Times given but not signed: a creation time is nothing, an expiry holds.
func TestUnsignedTimesInCavage(t *testing.T) {
	t.Parallel()
	for parameter, code := range map[string]signature.Code{
		`created=1`:              "",
		`expires=1`:              signature.CodeAge,
		`expires=1795608001`:     "",
		`expires="1795608001"`:   "",
		`expires=0`:              signature.CodeBad,
		`expires="later"`:        signature.CodeBad,
		`expires=99999999999999`: signature.CodeBad,
	} {
		r, body := signedPost(t, signature.Cavage, makeRSA())
		r.Header.Set("Signature", r.Header.Get("Signature")+","+parameter)
		err := accept(r, body, expect(noon), makeRSA().Public())
		if signature.CodeOf(err) != code {
			t.Errorf("%s: %v, want %q", parameter, err, code)
		}
	}
	r, body := createdNow(t, "(created)")
	changeSignature(`created=[0-9]+,`, ``)(r)
	wantCode(t, accept(r, body, expect(time.Now()), makeEd25519().Public()), signature.CodeBad)
}

// The leak of the package comment: go-fed/httpsig asks the machine's clock, so a
// turned clock of ours doesn't reach it.
func TestLibraryClock(t *testing.T) {
	t.Parallel()
	key := makeEd25519()
	makeRSA() // made outside: the bubble has its own time
	synctest.Test(t, func(t *testing.T) {
		r, body := createdNow(t, "(created)", "(expires)")
		signedAt := time.Now()
		wantCode(t, accept(r, body, expect(signedAt), key.Public()), "")
		time.Sleep(2 * time.Minute)
		signed, err := signature.Parse(r, body, expect(signedAt))
		wantCode(t, err, "")
		wantCode(t, signed.Verify(key.Public()), signature.CodeAge)
	})
}
