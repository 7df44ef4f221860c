package federation

// RefetchAfter is how long what came of looking a key up is remembered.
const RefetchAfter = refetchAfter
