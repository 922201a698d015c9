package settings

import (
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/davit-project/davit/units/signals"
)

// kind is what the values of some settings have in common.
type kind struct {
	// want describes the values.
	want string
	is   func(value string) bool
}

// kinds are those that davit checks, each as in systemd's config_parse_… of the same meaning. Where versions differ, the
// values of all of them are right.
var kinds = map[string]kind{
	"bool":          {"yes or no", isBool},
	"time":          {"a time such as 90, 90s, 1min 30s, or infinity (systemd.time(7))", isTime},
	"count":         {"a number", isNumber(0, 1<<32-1)},
	"size":          {"bytes such as 512M, a percentage, or infinity", isSize},
	"weight":        {"a number from 1 to 10000", isNumber(1, 10000)},
	"cpuweight":     {"a number from 1 to 10000, or idle", either(isNumber(1, 10000), oneOf("idle"))},
	"shares":        {"a number from 2 to 262144", isNumber(2, 262144)},
	"blockweight":   {"a number from 10 to 1000", isNumber(10, 1000)},
	"iolimit":       {"a path and bytes, such as /var 10M", isDeviceLimit},
	"percent":       {"a percentage such as 20%", shareOf.MatchString},
	"tasks":         {"a number, a percentage, or infinity", either(isNumber(1, 1<<63-1), shareOf.MatchString, oneOf("infinity"))},
	"cpuset":        {"numbers and ranges such as 0-3 5", either(IsCPUList, oneOf("numa", "all"))},
	"mode":          {"an octal mode such as 0750", matches(`^[0-7]{1,5}$`)},
	"signal":        {"a signal such as SIGTERM", isSignal},
	"status":        {"exit codes and signals such as 1 SIGKILL", isStatusList},
	"units":         {"names of units such as web.service", isUnitList},
	"prefixes":      {"addresses such as 10.0.0.0/8, or any, localhost, link-local, multicast", isPrefixList},
	"nice":          {"a number from -20 to 19", isNumber(-20, 19)},
	"oomadjust":     {"a number from -1000 to 1000", isNumber(-1000, 1000)},
	"iopriority":    {"a number from 0 to 7", isNumber(0, 7)},
	"cpupriority":   {"a number from 0 to 99", isNumber(0, 99)},
	"ioclass":       choice("none", "realtime", "best-effort", "idle", "0", "1", "2", "3"),
	"cpupolicy":     choice("other", "batch", "idle", "fifo", "rr", "0", "1", "2", "3", "5"),
	"level":         choice("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "0", "1", "2", "3", "4", "5", "6", "7"),
	"facility":      {"a facility such as daemon or local0 (syslog(3))", either(oneOf(facilities...), isNumber(0, 127))},
	"oompolicy":     choice("continue", "stop", "kill"),
	"oommode":       choice("auto", "kill"),
	"oompreference": choice("none", "avoid", "omit"),
	"restart":       choice("no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"),
	"restartmode":   choice("normal", "direct", "debug"),
	"collect":       choice("inactive", "inactive-or-failed"),
	"exittype":      choice("main", "cgroup"),
	"keyring":       choice("inherit", "private", "shared"),
	"devicepolicy":  choice("auto", "closed", "strict"),
	"protectproc":   choice("default", "noaccess", "invisible", "ptraceable"),
	"procsubset":    choice("all", "pid"),
	"pressurewatch": {"auto, on, off or skip", either(oneOf("auto", "on", "off", "skip"), isBool)},
	"condition":     {"an absolute path, with | and ! before it or not", matches(`^\|?!?\s*/`)},
	"paths":         {"absolute paths, each with - and + before it or not", isPathList},
	"limit":         {"a number or infinity, or a soft limit, a colon and a hard limit that is not less", isLimit("")},
	"bytelimit":     {"bytes such as 512M or infinity, or a soft limit, a colon and a hard limit that is not less", isLimit("KMGT")},
	"urls":          {"URLs that begin with http://, https://, file:/, info: or man:", isURLList},
	"path":          {"an absolute path", func(value string) bool { return strings.HasPrefix(value, "/") }},
}

var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

func choice(values ...string) kind {
	return kind{"one of " + strings.Join(values, ", "), oneOf(values...)}
}

func oneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

func either(checks ...func(string) bool) func(string) bool {
	return func(value string) bool {
		return slices.ContainsFunc(checks, func(check func(string) bool) bool { return check(value) })
	}
}

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// isBool is parse_boolean.
func isBool(value string) bool {
	return slices.Contains([]string{"1", "yes", "y", "true", "t", "on", "0", "no", "n", "false", "f", "off"}, strings.ToLower(value))
}

// isNumber is safe_atou and its like, which take the bases of C.
func isNumber(low, high int64) func(string) bool {
	return func(value string) bool {
		number, err := strconv.ParseInt(value, 0, 64)
		return err == nil && !strings.Contains(value, "_") && low <= number && number <= high
	}
}

// isTime is parse_sec.
func isTime(value string) bool {
	value = strings.TrimSpace(value)
	if value == "infinity" {
		return true
	}
	for rest := value; ; {
		part := spanPrefix(rest)
		if part == 0 {
			return false
		}
		if rest = strings.TrimSpace(rest[part:]); rest == "" {
			return true
		}
	}
}

// infinite is longer than any time that a setting means to bound.
const infinite = time.Duration(math.MaxInt64)

// Time is how long a time of a setting is; infinity is the longest. It reports whether the value is a time at all.
func Time(value string) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if !isTime(value) {
		return 0, false
	}
	if value == "infinity" {
		return infinite, true
	}
	var sum float64
	for rest := value; rest != ""; {
		part := spanPrefix(rest)
		sum += spanSeconds(rest[:part])
		rest = strings.TrimSpace(rest[part:])
	}
	if sum >= infinite.Seconds() {
		return infinite, true
	}
	return time.Duration(sum * float64(time.Second)), true
}

// spanSeconds is a number with a unit, in seconds.
func spanSeconds(text string) float64 {
	unit := strings.TrimLeft(text, "0123456789.")
	number, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, unit)), 64)
	unit = strings.TrimSpace(unit)
	if unit == "" {
		return number
	}
	return number * unitSeconds[unit]
}

// unitSeconds are the units, as parse_time of systemd's src/basic/time-util.c has them.
var unitSeconds = func() map[string]float64 {
	const day = 24 * 60 * 60
	seconds := map[string]float64{}
	for value, names := range map[float64][]string{
		1: {"seconds", "second", "sec", "s"}, 60: {"minutes", "minute", "min", "m"}, 60 * 60: {"hours", "hour", "hr", "h"},
		day: {"days", "day", "d"}, 7 * day: {"weeks", "week", "w"}, 2629800: {"months", "month", "M"}, 31557600: {"years", "year", "y"},
		1e-3: {"msec", "ms"}, 1e-6: {"usec", "us", "µs", "μs"},
	} {
		for _, name := range names {
			seconds[name] = value
		}
	}
	return seconds
}()

// timeUnits are those of systemd.time(7), longest first.
var timeUnits = []string{
	"seconds", "minutes", "second", "minute", "months", "month", "hours", "weeks", "years", "hour", "days", "week", "year", "usec", "msec",
	"day", "sec", "min", "µs", "μs", "us", "ms", "hr", "s", "m", "M", "h", "d", "w", "y",
}

// spanPrefix is how long the number is that a time begins with, its unit included; 0 for none.
func spanPrefix(text string) int {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	length := digits
	if rest := text[digits:]; strings.HasPrefix(rest, ".") {
		fraction := len(rest) - 1 - len(strings.TrimLeft(rest[1:], "0123456789"))
		if fraction == 0 {
			return 0
		}
		length += 1 + fraction
	}
	if length == 0 {
		return 0
	}
	after := strings.TrimLeft(text[length:], " \t")
	for _, unit := range timeUnits {
		if rest, ok := strings.CutPrefix(after, unit); ok {
			return len(text) - len(rest)
		}
	}
	if after == "" || after[0] >= '0' && after[0] <= '9' {
		return len(text) - len(after)
	}
	return 0
}

var bytesOf = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?\s*[BKMGTPE]?$`)

var shareOf = regexp.MustCompile(`^[0-9]+(\.[0-9]{1,2})?[%‰‱]$`)

// isSize is config_parse_memory_limit.
func isSize(value string) bool {
	return value == "infinity" || bytesOf.MatchString(value) || shareOf.MatchString(value)
}

// maxCPU is the highest number that systemd takes for a processor or a NUMA node.
const maxCPU = 8191

// IsCPUList is parse_cpu_set: numbers and ranges, with commas or spaces between them.
func IsCPUList(value string) bool {
	words := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	return len(words) > 0 && !slices.ContainsFunc(words, func(word string) bool {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		from, fromErr := strconv.ParseUint(first, 10, 16)
		to, toErr := strconv.ParseUint(last, 10, 16)
		return fromErr != nil || toErr != nil || from > to || to > maxCPU
	})
}

// isLimit is rlimit_parse, for numbers that may have one of these suffixes.
func isLimit(suffixes string) func(string) bool {
	number := func(text string) (limit uint64, ok bool) {
		if text == "infinity" {
			return math.MaxUint64, true
		}
		digits := strings.TrimRight(text, suffixes)
		shift := 0
		if suffix := text[len(digits):]; suffix != "" {
			shift = 10 * (strings.Index(suffixes, suffix) + 1)
		}
		count, err := strconv.ParseUint(digits, 10, 63)
		return count << shift, err == nil && shift >= 0 && len(text)-len(digits) < 2 && count <= math.MaxUint64>>shift
	}
	return func(value string) bool {
		soft, hard, both := strings.Cut(value, ":")
		low, ok := number(soft)
		if !both {
			return ok
		}
		high, hardOK := number(hard)
		return ok && hardOK && low <= high
	}
}

// isURLList is documentation_url_is_valid.
func isURLList(value string) bool {
	return !slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		word = strings.NewReplacer(`"`, "", `'`, "").Replace(word)
		isURL := slices.ContainsFunc([]string{"http://", "https://", "file:/", "info:", "man:"}, func(scheme string) bool {
			return strings.HasPrefix(word, scheme) && len(word) > len(scheme)
		})
		return !isURL || strings.ContainsFunc(word, func(r rune) bool { return r > '~' })
	})
}

func isPathList(value string) bool {
	return !slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		return !strings.HasPrefix(strings.TrimLeft(strings.Trim(word, `"'`), "-+"), "/")
	})
}

func isDeviceLimit(value string) bool {
	fields := strings.Fields(value)
	return len(fields) == 2 && strings.HasPrefix(strings.Trim(fields[0], `"'`), "/") && (fields[1] == "infinity" || bytesOf.MatchString(fields[1]))
}

// isSignal follows signal_from_string, which takes upper case only, with or without SIG.
func isSignal(value string) bool {
	_, err := signals.Parse(value)
	return err == nil && value == strings.ToUpper(value)
}

// exitName is the name of an exit status (systemd.exec(5), Process Exit Codes).
var exitName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func isStatusList(value string) bool {
	return !slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		word = strings.Trim(word, `"'`)
		return !isNumber(0, 255)(word) && !isSignal(word) && !exitName.MatchString(word)
	})
}

// unitName is unit_name_is_valid.
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\@%-]+\.(service|socket|target|device|mount|automount|swap|timer|path|slice|scope)$`)

func isUnitList(value string) bool {
	return !slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		return !unitName.MatchString(strings.NewReplacer(`"`, "", `'`, "").Replace(word))
	})
}

func isPrefixList(value string) bool {
	return !slices.ContainsFunc(strings.Fields(value), func(word string) bool {
		_, prefixErr := netip.ParsePrefix(word)
		_, addressErr := netip.ParseAddr(word)
		return prefixErr != nil && addressErr != nil && !oneOf("any", "localhost", "link-local", "multicast")(word)
	})
}
