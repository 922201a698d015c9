package fetch

import (
	"fmt"
	"time"

	"github.com/davit-project/davit/agent/images"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// resolveText names the source of an answer that is waited for.
func resolveText(request reconcile.ImageRequest, so time.Duration) string {
	registry := images.RegistryOf(request.Reference)
	if registry == "" || request.PullPolicy == v1.PullNever {
		return fmt.Sprintf("waiting for %s to be read%s", request.Reference, sinceText(so))
	}
	return fmt.Sprintf("waiting for registry %s to describe %s%s", registry, request.Reference, sinceText(so))
}

// text says how far a pull is.
func (p *pull) text(now time.Time) string {
	what := "pull of " + p.image.Reference
	done, total := p.progress.Done, p.progress.Total
	switch {
	case p.progress.Ended || total > 0 && done >= total:
		return fmt.Sprintf("%s: %s fetched, unpacking", what, sizeText(total))
	case total > 0:
		return fmt.Sprintf("%s: %d %% of %s", what, 100*done/total, sizeText(total))
	default:
		return what + sinceText(now.Sub(p.began))
	}
}

func sinceText(since time.Duration) string {
	switch {
	case since < time.Second:
		return ""
	case since < 2*time.Minute:
		return fmt.Sprintf(", for %d s", since/time.Second)
	default:
		return fmt.Sprintf(", for %d min", since/time.Minute)
	}
}

func sizeText(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// short is an image's id as davit and Podman show it.
func short(imageID string) string { return imageID[:min(12, len(imageID))] }
