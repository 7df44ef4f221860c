package web

import (
	"net/url"
	"strings"
)

// paytoLines reads a payto URI (RFC 8905) as people write a bank account: the holder, then the IBAN
// in groups of four. What isn't an IBAN is shown as it came.
func paytoLines(payto string) []string {
	if payto == "" {
		return nil
	}
	u, err := url.Parse(payto)
	if err != nil || u.Scheme != "payto" || u.Host != "iban" {
		return []string{payto}
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/") // [bic/]iban
	all := []string{groups(parts[len(parts)-1])}
	if holder := u.Query().Get("receiver-name"); holder != "" {
		all = append([]string{holder}, all...)
	}
	return all
}

func groups(iban string) string {
	var b strings.Builder
	for i, c := range strings.ToUpper(iban) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
