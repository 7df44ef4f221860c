package ledger

import (
	"strings"
	"unicode"
)

// Legible tells whether a line shows what it holds. It doesn't with control characters, line breaks, or
// characters that are there but can't be seen: U+202E turns what follows it around, U+200B makes two
// equal names of different people (Unicode Standard Annex #9 and Technical Standard #39).
func Legible(line string) bool { return Visible(line) == line }

// Visible is a line without the characters that Legible refuses: for names and titles from elsewhere,
// which can't be refused.
func Visible(line string) string {
	if strings.IndexFunc(line, hidden) < 0 {
		return line
	}
	var b strings.Builder
	all := []rune(line)
	for i, r := range all {
		if !hidden(r) || joins(all, i) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// joins tells whether a rune is a joiner (U+200C, U+200D) in its place: Persian, the scripts of India and
// many emoji need them between their characters; between those of ASCII, or at an end, they only hide.
func joins(all []rune, i int) bool {
	return (all[i] == '\u200c' || all[i] == '\u200d') && i > 0 && i+1 < len(all) &&
		all[i-1] > unicode.MaxASCII && all[i+1] > unicode.MaxASCII && !hidden(all[i-1]) && !hidden(all[i+1])
}
