package resolve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// environment holds the variables of a process, which its arguments can refer to. Values of secrets are kept apart from the
// others: they go into a file of their own.
type environment struct {
	names   []string
	values  map[string]variable
	dynamic []bundle.DynamicEnv
	// declared are the manifest's own, the only ones that $(NAME) stands for.
	declared map[string]bool
}

// variable is a value, and whether it must not be shown.
type variable struct {
	text   string
	secret bool
}

func (e *environment) set(name string, value variable) {
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) declare(name string, value variable) {
	e.set(name, value)
	e.declared[name] = true
}

// environmentOf is the image's, then envFrom's, then env's; later ones replace earlier ones
// in their place.
func (r *resolver) environmentOf(run runnable, image reconcile.Image) (*environment, error) {
	e := &environment{values: map[string]variable{}, declared: map[string]bool{}}
	e.set("PATH", variable{text: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
	if run.TTY {
		e.set("TERM", variable{text: "xterm"})
	}
	for _, entry := range image.Config.Env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			e.set(name, variable{text: value})
		}
	}
	for _, proxy := range proxiesOf(run, r.in.Node.Proxy) {
		e.set(proxy.name, proxy.variable)
	}
	for i, source := range run.EnvFrom {
		if err := r.addAll(e, source); err != nil {
			return nil, fmt.Errorf("envFrom[%d]: %w", i, at(fmt.Sprintf("envFrom[%d]", i), err))
		}
	}
	for i, entry := range run.Env {
		if err := r.add(e, entry, run); err != nil {
			return nil, at(fmt.Sprintf("env[%d].valueFrom", i), fmt.Errorf("env %s: %w", entry.Name, err))
		}
	}
	for _, name := range e.names {
		if size := len(name) + len("=") + len(e.values[name].text); size > maxString {
			return nil, fmt.Errorf("env %s: it has %d bytes with its name: the kernel takes at most %d in one variable", name, size, maxString)
		}
	}
	return e, nil
}

// maxString is the kernel's limit of one argument or variable (MAX_ARG_STRLEN, without the zero at the end).
const maxString = 128<<10 - 1

// addAll adds a variable for each key of a Config or Secret. Keys that cannot be names are
// left out, as in Kubernetes.
func (r *resolver) addAll(e *environment, source v1.EnvFromSource) error {
	ref, from, secret := source.ConfigMapRef, r.texts, false
	kind := v1.KindConfig
	if source.SecretRef != nil {
		ref, from, secret, kind = source.SecretRef, r.secrets, true, v1.KindSecret
	}
	data, ok := from[ref.Name]
	if !ok && !ref.Optional {
		return fmt.Errorf("there is no %s %q", kind, ref.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if strings.Contains(key, "=") {
			continue
		}
		text, err := textOf(kind, ref.Name, key, data[key])
		if err != nil {
			return err
		}
		e.declare(source.Prefix+key, variable{text, secret})
	}
	return nil
}

func (r *resolver) add(e *environment, entry v1.EnvVar, run runnable) error {
	from := entry.ValueFrom
	if from == nil {
		e.declare(entry.Name, e.expand(entry.Value))
		return nil
	}
	var value variable
	var found bool
	var err error
	switch {
	case from.HostEnv != nil:
		e.dynamic = append(e.dynamic, bundle.DynamicEnv{Name: entry.Name, HostEnv: from.HostEnv.Name, Optional: from.HostEnv.Optional})
	case from.FieldRef != nil && isAddressField(from.FieldRef.FieldPath):
		e.dynamic = append(e.dynamic, bundle.DynamicEnv{Name: entry.Name, Field: from.FieldRef.FieldPath})
	case from.ConfigMapKeyRef != nil:
		value.text, found, err = keyOf(r.texts, v1.KindConfig, *from.ConfigMapKeyRef)
		err = at("configMapKeyRef.key", err)
	case from.SecretKeyRef != nil:
		value.secret = true
		value.text, found, err = keyOf(r.secrets, v1.KindSecret, *from.SecretKeyRef)
		err = at("secretKeyRef.key", err)
	case from.FieldRef != nil:
		value.text, err = r.field(run, from.FieldRef.FieldPath)
		found = err == nil
	case from.ResourceFieldRef != nil:
		value.text, err = resourceField(run, *from.ResourceFieldRef)
		err = at("resourceFieldRef", err)
		found = err == nil
	}
	if found {
		e.declare(entry.Name, value)
	}
	return err
}

func keyOf(from map[string]contents, kind string, ref v1.KeyRef) (value string, found bool, err error) {
	data, ok := from[ref.Name]
	if !ok && !ref.Optional {
		return "", false, fmt.Errorf("there is no %s %q", kind, ref.Name)
	}
	text, ok := data[ref.Key]
	if !ok && !ref.Optional {
		return "", false, noKey(kind, ref.Name, ref.Key)
	}
	value, err = textOf(kind, ref.Name, ref.Key, text)
	return value, ok, err
}

// textOf is the value of a key as a variable takes it. Other bytes than text would not arrive as they are.
func textOf(kind, name, key string, value []byte) (string, error) {
	switch {
	case bytes.IndexByte(value, 0) >= 0:
		return "", fmt.Errorf("the value of key %q of %s/%s has a NUL character, which no variable can have: mount it as a file", key, kind, name)
	case !utf8.Valid(value):
		return "", fmt.Errorf("the value of key %q of %s/%s is not text in UTF-8: mount it as a file", key, kind, name)
	default:
		return string(value), nil
	}
}

// expand replaces $(NAME) by the value of a variable declared before and $$ by a dollar sign; other references stay as they are
// (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
func (e *environment) expand(text string) variable {
	var out strings.Builder
	secret := false
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return variable{out.String(), secret}
		}
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteString("$")
			text = rest[1:]
		case strings.HasPrefix(rest, "(") && closed && e.declared[name]:
			out.WriteString(e.values[name].text)
			secret = secret || e.values[name].secret
			text = after
		default:
			out.WriteString("$")
			text = rest
		}
	}
}

// expandArguments expands arguments, which the manifest has in a list of this name. Any user of the node can read a process's arguments, so
// no secret gets there.
func (e *environment) expandArguments(list string, args []string) ([]string, error) {
	expanded := make([]string, 0, len(args))
	for i, arg := range args {
		field := fmt.Sprintf("%s[%d]", list, i)
		value := e.expand(arg)
		if value.secret {
			return nil, at(field, fmt.Errorf("argument %q has the value of a secret, which every process of the node could read: have the program take it from its environment or a file", arg))
		}
		if size := len(value.text); size > maxString {
			return nil, at(field, fmt.Errorf("argument %d has %d bytes: the kernel takes at most %d", i, size, maxString))
		}
		expanded = append(expanded, value.text)
	}
	return expanded, nil
}

// plain is the environment without secrets, as a process takes it.
func (e *environment) plain() []string { return e.list(false) }

func (e *environment) list(secret bool) []string {
	var list []string
	for _, name := range e.names {
		if value := e.values[name]; value.secret == secret {
			list = append(list, name+"="+value.text)
		}
	}
	return list
}

// secretFile is the file of the bundle that has the secrets; ok is false when there are none.
func (e *environment) secretFile() (file bundle.File, ok bool, err error) {
	secrets := e.list(true)
	if len(secrets) == 0 {
		return bundle.File{}, false, nil
	}
	text, err := json.Marshal(secrets)
	return bundle.NewFile(bundle.SecretEnvFile, text, 0o600), true, err
}

// fixed are the names that a file of the node with variables does not replace.
func (e *environment) fixed() []string {
	names := make([]string, 0, len(e.declared))
	for name := range e.declared {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
