package images

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// fault: it limits requests | it is left alone for as long as it asks
func TestARegistryThatLimitsRequests(t *testing.T) {
	s, registry := newNode(t), newRegistry(t)
	app := registry.push(t, "app:1", newImage(t, "amd64", 1))
	other := registry.push(t, "other:1", newImage(t, "amd64", 1))
	for _, test := range []struct {
		name, header string
		concerns     func(*http.Request) bool
		want         time.Duration
	}{
		{"in seconds", "3600", manifests, time.Hour},
		{"at a date", time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat), manifests, 2 * time.Hour},
		{"as it is pinged", "1800", everything, 30 * time.Minute},
		{"for a blob", "1800", blobs, 30 * time.Minute},
		{"without saying for how long", "", manifests, unspecifiedLimit},
		{"for ever", "99999999999", manifests, longestLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.limits = limits{}
			registry.breaks(test.concerns, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				if test.header != "" {
					w.Header().Set("Retry-After", test.header)
				}
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			})
			began := time.Now()
			_, err := s.Resolve(t.Context(), always(app))
			if took := time.Since(began); took > 2*time.Second { // the least that the library sleeps
				t.Errorf("the try took %s", took)
			}
			limited, ok := errors.AsType[Limited](err)
			if !ok {
				t.Fatalf("got %v, want Limited", err)
			}
			if wait := limited.Until.Sub(began); wait < test.want-2*time.Second || wait > test.want+2*time.Second {
				t.Errorf("the registry is left alone for %s, want %s", wait, test.want)
			}
			wantError(t, err, "image "+app+": registry "+registry.host+" limits requests (429", limited.Until.Format(time.DateTime))

			registry.breaks(everything, func(http.ResponseWriter, *http.Request, int) bool { return false })
			if _, err := s.Resolve(t.Context(), always(other)); !errors.As(err, &limited) {
				t.Errorf("got %v for another image of the registry, want Limited", err)
			}
			if n := registry.count(""); n > 0 {
				t.Errorf("the registry got %d more requests", n)
			}
		})
	}
	s.limits = limits{until: map[string]time.Time{registry.host: time.Now()}}
	resolve(t, s, always(other)) // the time is over
	if level := logrus.GetLevel(); level != logrus.InfoLevel {
		t.Errorf("the library logs at level %s", level)
	}
}

func TestAMirrorThatLimitsRequestsIsLeftOut(t *testing.T) {
	s, mirror, registry := newNode(t), newRegistry(t), newRegistry(t)
	image := newImage(t, "amd64", 1)
	reference := registry.push(t, "app:1", image)
	write(t, s.settings.system.SystemRegistriesConfPath,
		"[[registry]]\nlocation = \""+registry.host+"\"\n[[registry.mirror]]\nlocation = \""+mirror.host+"\"\ninsecure = true\n")
	mirror.breaks(everything, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	for range 2 {
		resolve(t, s, always(reference))
	}
	if n := mirror.count(""); n != 1 {
		t.Errorf("the mirror got %d requests, want one", n)
	}
}

// fault: it limits requests
func TestAPullFromARegistryThatLimitsRequests(t *testing.T) {
	s, registry := newRootNode(t), newRegistry(t)
	image := resolve(t, s, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	registry.breaks(blobs, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := s.EnsureImage(ctx, image, nil)
	if _, ok := errors.AsType[Limited](err); !ok {
		t.Errorf("got %v, want Limited", err)
	}
}
