package history

// For the tests in package history_test.
type Fallback = fallback

var Fallbacks = fallbacks
var NewlyFailed = newlyFailed

const NotConfirmed = notConfirmed
