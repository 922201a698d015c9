package bundle

import "testing"

func TestOutputNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"logs to standard output":       "",
		"/dev/stdout":                   "/dev/stdout",
		"error_log = /proc/self/fd/2\n": "/proc/self/fd/2",
		`CustomLog "/proc/self/fd/1" c`: "/proc/self/fd/1",
		"exec app >/dev/fd/1 2>&1":      "/dev/fd/1",
		"cat <&3 >/dev/fd/10":           "",
		"/dev/fd/10 and /dev/fd/2;":     "/dev/fd/2",
		"/proc/self/fd/1/..":            "",
		"/dev/stdout_is_no_file":        "",
		"/dev/stderr, not /dev/stdout":  "/dev/stderr",
		"* * * * * job >/proc/1/fd/1":   "/proc/1/fd/1",
		"/dev/std":                      "",
	} {
		if got := OutputNamed([]byte(text)); got != want {
			t.Errorf("OutputNamed(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestOutputNamedBy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args, env []string
		want      string
	}{
		{},
		{[]string{"gunicorn", "--access-logfile", "-"}, []string{"PATH=/bin"}, ""},
		{[]string{"gunicorn", "--access-logfile", "/dev/stdout"}, nil, "an argument names /dev/stdout"},
		{[]string{"sh", "-c", "exec app 2>/dev/stderr"}, nil, "an argument names /dev/stderr"},
		{[]string{"kong"}, []string{"A=b", "KONG_PROXY_ACCESS_LOG=/dev/stdout"}, "the variable KONG_PROXY_ACCESS_LOG names /dev/stdout"},
	} {
		if got := OutputNamedBy(test.args, test.env); got != test.want {
			t.Errorf("OutputNamedBy(%q, %q) = %q, want %q", test.args, test.env, got, test.want)
		}
	}
}
