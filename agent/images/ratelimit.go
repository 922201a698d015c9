package images

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/distribution/registry/api/errcode"
	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"
)

// A registry that answers 429 (Too Many Requests) may say for how long in Retry-After (RFC 9110, section
// 10.2.3). The library (containers/image 5.42) keeps both to itself: it sleeps for as long, at most 60 s,
// tries five times, and then returns an error without the header. Its client has no place for a round
// tripper, and a request that davit sends to find the header would need the registry's TLS settings,
// credentials and tokens once more, and would count against the limit.
//
// Two hooks that the library does have are enough:
//
//   - The function that chooses a proxy (SystemContext.DockerProxy) is called with the URL of each request
//     before it is sent. It refuses those to a registry that has asked to be left alone, so that no
//     request is sent, and a mirror that limits requests makes the library go on to the next source.
//   - Before it sleeps, the library logs the header and the URL at level debug. A hook of the logger ends
// the try then. TestARegistryThatLimitsRequests fails if a later version words it otherwise; in
// that case the library sleeps until the try's deadline, and [unspecifiedLimit] counts.

const (
	// unspecifiedLimit is how long a registry is left alone that limits requests and does not say for
	// how long.
	unspecifiedLimit = time.Minute
	// longestLimit bounds the wait that a registry may ask for: a wrong header must not stop updates for ever.
	longestLimit = 24 * time.Hour
	// maxSources bounds how many sources of one image, a registry and its mirrors, may limit requests
	// in one try.
	maxSources = 8
)

// Limited is the error of a registry that has answered 429 (Too Many Requests). It is not asked before
// Until.
type Limited struct {
	Registry string
	Until    time.Time
}

// Error implements [error].
func (l Limited) Error() string {
	return fmt.Sprintf("registry %s limits requests (429 Too Many Requests): it is asked again at %s", l.Registry, l.Until.Format(time.DateTime))
}

// limits are the registries, by host, that are left alone, and until when.
type limits struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (l *limits) note(host string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = map[string]time.Time{}
	}
	if l.until[host].Before(until) {
		l.until[host] = until
	}
}

// of returns a [Limited] where the host is to be left alone.
func (l *limits) of(host string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.until[host]
	if !ok {
		return nil
	}
	if !time.Now().Before(until) {
		delete(l.until, host)
		return nil
	}
	return Limited{Registry: host, Until: until}
}

// attempt is one use of the library for requests to registries.
type attempt struct {
	limits  *limits
	proxies *proxies
	stop    context.CancelCauseFunc

	mu    sync.Mutex
	hosts map[string]bool // were sent requests
}

// proxy implements SystemContext.DockerProxy.
func (a *attempt) proxy(target *url.URL) (*url.URL, error) {
	if err := a.limits.of(target.Host); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.hosts[target.Host] = true
	a.mu.Unlock()
	return a.proxies.of(target)
}

// limited ends the attempt if it has asked the host.
func (a *attempt) limited(host string, until time.Time) {
	a.mu.Lock()
	asked := a.hosts[host]
	a.mu.Unlock()
	if asked {
		a.limits.note(host, until)
		a.stop(Limited{Registry: host, Until: until})
	}
}

// ask has the library ask registries. When one of them limits requests it is left out from then on, and
// use is called once more: a mirror may have the image, too.
func (q query) ask(ctx context.Context, use func(context.Context, *types.SystemContext) error) error {
	for sources := 1; ; sources++ {
		limited, err := q.askOnce(ctx, use)
		if !limited || sources == maxSources || ctx.Err() != nil {
			return err
		}
	}
}

// askOnce reports whether a registry was found to limit requests.
func (q query) askOnce(ctx context.Context, use func(context.Context, *types.SystemContext) error) (limited bool, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	try := &attempt{limits: &q.store.limits, proxies: &q.store.proxies, stop: stop, hosts: map[string]bool{}}
	system := *q.system
	system.DockerProxy = try.proxy
	defer listen(try)()
	if err = use(ctx, &system); err == nil {
		return false, nil
	}
	if cause, ok := errors.AsType[Limited](context.Cause(ctx)); ok {
		return true, cause
	}
	if _, ok := errors.AsType[Limited](err); !ok && isLimited(err) && q.source.registry != "" {
		until := time.Now().Add(unspecifiedLimit)
		for host := range try.hosts { // which of them it was is not known
			q.store.limits.note(host, until)
		}
		return false, Limited{Registry: q.source.registry, Until: until}
	}
	return false, err
}

// isLimited reports whether an error of the library is an answer 429 that no hook saw: that of a server
// of tokens, for which the library does not sleep.
func isLimited(err error) bool {
	return errors.Is(err, docker.ErrTooManyRequests) || unreadable(err) == http.StatusTooManyRequests ||
		hasCode(err, errcode.ErrorCodeTooManyRequests)
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(header string, now time.Time) time.Time {
	until := now.Add(unspecifiedLimit)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil && seconds >= 0 {
		until = now.Add(time.Duration(min(seconds, int64(longestLimit/time.Second))) * time.Second)
	} else if date, err := http.ParseTime(header); err == nil {
		until = date
	}
	if until.After(now.Add(longestLimit)) {
		return now.Add(longestLimit)
	}
	return until
}

// listening are the attempts under way in this program. The library's log is one for all.
var listening struct {
	mu       sync.Mutex
	install  sync.Once
	level    logrus.Level // when no attempt is under way
	attempts map[*attempt]bool
	headers  map[string]string // Retry-After, by the goroutine that logged it
}

// listen has the attempt hear of answers 429 until the caller calls stop. The library's lines of level
// debug exist for as long only.
func listen(a *attempt) (stop func()) {
	l := &listening
	l.install.Do(func() {
		l.attempts, l.headers = map[*attempt]bool{}, map[string]string{}
		logger := logrus.StandardLogger()
		logger.AddHook(hook{})
		logger.SetFormatter(undebugged{logger.Formatter})
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.attempts) == 0 {
		l.level = logrus.GetLevel()
		logrus.SetLevel(max(l.level, logrus.DebugLevel))
	}
	l.attempts[a] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.attempts, a)
		if len(l.attempts) == 0 {
			logrus.SetLevel(l.level)
			clear(l.headers)
		}
	}
}

// undebugged leaves lines out that are there for the hook alone.
type undebugged struct{ logrus.Formatter }

// Format implements [logrus.Formatter].
func (u undebugged) Format(entry *logrus.Entry) ([]byte, error) {
	if entry.Level > logrus.InfoLevel {
		return nil, nil
	}
	return u.Formatter.Format(entry)
}

// hook reads the library's lines. The library calls it in the goroutine that sends the request: the
// header first, then the URL.
type hook struct{}

// Levels implements [logrus.Hook].
func (hook) Levels() []logrus.Level { return []logrus.Level{logrus.DebugLevel} }

// Fire implements [logrus.Hook].
func (hook) Fire(entry *logrus.Entry) error {
	if quoted, ok := strings.CutPrefix(entry.Message, "Detected 'Retry-After' header "); ok {
		header, err := strconv.Unquote(quoted)
		if err != nil {
			return nil // it counts as not specified
		}
		listening.mu.Lock()
		defer listening.mu.Unlock()
		listening.headers[goroutine()] = header
		return nil
	}
	rest, ok := strings.CutPrefix(entry.Message, "Too many requests to ")
	if !ok {
		return nil
	}
	text, _, _ := strings.Cut(rest, ": sleeping for ")
	target, err := url.Parse(text)
	if err != nil {
		return nil
	}
	listening.mu.Lock()
	defer listening.mu.Unlock()
	until := retryAfter(listening.headers[goroutine()], time.Now())
	delete(listening.headers, goroutine())
	for a := range listening.attempts {
		a.limited(target.Host, until)
	}
	return nil
}

// goroutine returns the runtime's name of the current goroutine: "goroutine 17".
func goroutine() string {
	stack := make([]byte, 64)
	name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack, false)]), " [")
	return name
}
