package embed

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestCompact(t *testing.T) {
	for n, want := range map[int64][2]string{
		0: {"0", "0"}, 999: {"999", "999"}, 1234: {"1,234", "1.234"}, 99_999: {"99,999", "99.999"},
		100_000: {"100k", "100 Tsd."}, 123_456: {"123.4k", "123,4 Tsd."}, 999_999: {"999.9k", "999,9 Tsd."},
		1_000_000: {"1M", "1 Mio."}, 12_345_678: {"12.3M", "12,3 Mio."},
	} {
		if en, de := Compact("en", n), Compact("de", n); en != want[0] || de != want[1] {
			t.Errorf("%d: %q and %q", n, en, de)
		}
	}
}

// TestScriptIsSmall: at most 3 kB on the wire, and nothing in it that a strict policy forbids.
func TestScriptIsSmall(t *testing.T) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(Script); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes compressed", b.Len())
	if b.Len() > 3072 {
		t.Errorf("%d bytes compressed", b.Len())
	}
	for _, never := range []string{"innerHTML", "eval(", "document.write", "localStorage", "sessionStorage", "document.cookie", "<iframe"} {
		if bytes.Contains(Script, []byte(never)) {
			t.Errorf("it uses %s", never)
		}
	}
}

func TestBadge(t *testing.T) {
	for _, count := range []string{"", "0", "12,345", "123.4k"} {
		svg := string(Badge(count))
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", svg, err)
			}
		}
		if count != "" && !strings.Contains(svg, ">"+count+"</text>") || len(svg) > 1200 {
			t.Errorf("%d bytes: %s", len(svg), svg)
		}
	}
}
