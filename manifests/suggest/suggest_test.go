package suggest

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"image", "imagePullPolicy", "env"}
	for word, want := range map[string]string{"imagee": "image", "Image": "image", "imagePulPolicy": "imagePullPolicy", "banana": ""} {
		if got := Nearest(word, names); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}
