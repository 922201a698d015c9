package check

import v1 "github.com/davit-project/davit/manifests/v1"

// maxSurge bounds updatePolicy.maxSurge.
const maxSurge = 100

// checkSurge refuses to start what can be there but once beside what runs.
func checkSurge(s *Subject, at string, policy v1.UpdatePolicy, field, reason string) {
	if reason != "" && policy.MaxSurge != nil && *policy.MaxSurge > 0 {
		s.errorf(at+".updatePolicy.maxSurge", "there cannot be one more at a time because of %s.%s: %s", at, field, reason)
	}
}

func checkUpdatePolicy(s *Subject, at string, policy v1.UpdatePolicy) {
	if deadline := policy.ProgressDeadlineSeconds; deadline != nil && *deadline < 1 {
		s.errorf(at+".progressDeadlineSeconds", "%d: want 1 or more", *deadline)
	}
	surge := policy.MaxSurge != nil && *policy.MaxSurge != 0
	if most := policy.MaxUnavailable; most != nil && (*most < 0 || *most == 0 && !surge) {
		s.errorf(at+".maxUnavailable", "%d: want 1 or more, or maxSurge", *most)
	}
	if most := policy.MaxSurge; most != nil && (*most < 0 || *most > maxSurge) {
		s.errorf(at+".maxSurge", "%d: want 0 to %d", *most, maxSurge)
	}
	if rolling := policy.Strategy == "" || policy.Strategy == v1.StrategyRollingUpdate; surge && !rolling {
		s.errorf(at+".maxSurge", "with strategy %s no instance is started beside the running one: want one of the two", policy.Strategy)
	}
	if soak := policy.MinReadySeconds; soak != nil && *soak < 0 {
		s.errorf(at+".minReadySeconds", "%d: want 0 or more", *soak)
	}
}
