package federation

// RefetchAfter is how long what came of looking a key up is remembered.
const RefetchAfter = refetchAfter

// OfDatabase tells a database's failures from those of what was fetched.
func OfDatabase(err error) bool { return ofDatabase(err) }
