package vocab

import (
	"fmt"
	"testing"
)

func BenchmarkReadLike(b *testing.B) {
	raw, err := RenderLike(aFlattr())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := Decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParseLike(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderLike(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := RenderLike(aFlattr()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadClaimOf200Lines(b *testing.B) {
	claim := aClaim(b)
	claim.Lines = nil
	for i := range MaxInlineLines {
		claim.Lines = append(claim.Lines, Line{
			Payee: fmt.Sprintf("https://b.example/users/%04d", i), Amount: 1, Things: []LineThing{{Object: button, Flattrs: 1}},
		})
	}
	claim, err := claim.Completed()
	if err != nil {
		b.Fatal(err)
	}
	raw, err := RenderClaim(claim)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		d, err := Decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParseClaim(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadManyTerms(b *testing.B) {
	raw := []byte(manyTerms())
	for b.Loop() {
		if _, err := ParseLike(mustDecode(b, raw)); err != nil {
			b.Fatal(err)
		}
	}
}
