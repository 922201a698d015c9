package images

import (
	"embed"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

//go:embed files
var fileSystem embed.FS

// configFiles are files of our own by their path in images: the source below files/.
var configFiles = map[string]string{
	"etc/passwd":                         "passwd",
	"etc/group":                          "group",
	"etc/nginx/nginx.conf":               "nginx.conf",
	"etc/nginx/conf.d/default.conf":      "nginx-default.conf",
	"usr/share/nginx/html/index.html":    "nginx-index.html",
	"usr/local/bin/docker-entrypoint.sh": "postgres-entrypoint.sh",
}

// recipe describes an image.
type recipe struct {
	// Name is the repository, Tags are its tags; all name the same image.
	Name string
	Tags []string
	// Files are patterns of pool paths; a directory brings all below it.
	Files []string
	// Own are directories with the owner they have: empty unless Files fill them.
	Own map[string]int
	// Shell puts the image on the layers with busybox and the C library.
	Shell bool
	// Links are further symbolic links: path → target.
	Links map[string]string
	// Config is the image's configuration.
	Config v1.Config
}

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func port(ports ...string) map[string]struct{} {
	set := map[string]struct{}{}
	for _, p := range ports {
		set[p] = struct{}{}
	}
	return set
}

// recipes are the images made from packages. The base they share is in base.go.
var recipes = []recipe{
	{
		Name: "busybox", Tags: []string{"latest", "1", "1.36", "1.37"},
		Config: v1.Config{Cmd: []string{"sh"}, Env: []string{searchPath}},
	},
	{
		Name: "nginx", Tags: []string{"latest", "stable", "1", "1.27", "1.28"}, Shell: true,
		Files: []string{
			"usr/sbin/nginx", "etc/nginx/mime.types", "etc/nginx/nginx.conf",
			"etc/nginx/conf.d/default.conf", "usr/share/nginx/html/index.html",
		},
		Own:   map[string]int{"var/lib/nginx": 0, "var/log/nginx": 0, "var/cache/nginx": 0, "run": 0},
		Links: map[string]string{"var/log/nginx/access.log": "/dev/stdout", "var/log/nginx/error.log": "/dev/stderr"},
		Config: v1.Config{
			Env: []string{searchPath}, Cmd: []string{"nginx", "-g", "daemon off;"},
			ExposedPorts: port("80/tcp"), StopSignal: "SIGQUIT",
		},
	},
	{
		Name: "redis", Tags: []string{"latest", "7", "7.4", "8"}, Shell: true,
		Files: []string{"usr/bin/redis-server", "usr/bin/redis-cli"},
		Own:   map[string]int{"data": 998},
		Config: v1.Config{
			Env: []string{searchPath}, Cmd: []string{"redis-server", "--protected-mode", "no"},
			User: "redis", WorkingDir: "/data", Volumes: port("/data"), ExposedPorts: port("6379/tcp"),
		},
	},
	{
		Name: "postgres", Tags: []string{"latest", "15", "16", "17"}, Shell: true,
		Files: []string{
			"usr/lib/postgresql/*/bin/postgres", "usr/lib/postgresql/*/bin/initdb",
			"usr/lib/postgresql/*/bin/psql", "usr/lib/postgresql/*/bin/pg_isready",
			"usr/lib/postgresql/*/lib/plpgsql.so", "usr/lib/postgresql/*/lib/dict_snowball.so",
			"usr/lib/postgresql/*/lib/libpqwalreceiver.so",
			"usr/share/postgresql/*/*.bki", "usr/share/postgresql/*/*.sql",
			"usr/share/postgresql/*/*.sample", "usr/share/postgresql/*/*.txt",
			"usr/share/postgresql/*/timezonesets", "usr/share/postgresql/*/tsearch_data",
			"usr/share/postgresql/*/extension/plpgsql*", "usr/local/bin/docker-entrypoint.sh",
		},
		Own: map[string]int{"var/lib/postgresql": 999, "var/lib/postgresql/data": 999, "var/run/postgresql": 999},
		Config: v1.Config{
			Env:        []string{searchPath, "PGDATA=/var/lib/postgresql/data"},
			Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"postgres"},
			User: "postgres", Volumes: port("/var/lib/postgresql/data"),
			ExposedPorts: port("5432/tcp"), StopSignal: "SIGINT", // SIGINT is its fast shutdown
		},
	},
}

// addConfigFiles puts our own files into the pool, scripts executable.
func (p *pool) addConfigFiles() error {
	for name, source := range configFiles {
		text, err := fileSystem.ReadFile("files/" + source)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if text[0] == '#' && text[1] == '!' {
			mode = 0o755
		}
		p.entries[name] = entry{mode: mode, text: text}
	}
	return nil
}
