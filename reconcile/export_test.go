package reconcile

// For the tests in package reconcile_test.
const MaxKills = maxKills
