package generations

import (
	"testing"

	"github.com/davit-project/davit/reconcile/history"
)

func TestWithin(t *testing.T) {
	t.Parallel()
	layers := func(id string) map[string]int64 {
		return map[string]map[string]int64{
			"new":   {"base": 100, "n": 10},
			"old":   {"base": 100, "o": 10},
			"older": {"base": 100, "p": 10},
			"other": {"q": 50},
		}[id]
	}
	kept := []history.Generation{
		{Number: 4, Images: []string{"old"}},
		{Number: 3, Images: []string{"old"}},
		{Number: 2, Images: []string{"older"}},
		{Number: 1, Images: []string{"other", "older"}},
	}
	for name, test := range map[string]struct {
		most  int
		bytes int64
		want  int
	}{
		"all":                             {10, 70, 4},
		"a shared layer counts once":      {10, 20, 3},
		"those alike count once":          {10, 10, 2},
		"the newest, however large":       {10, 0, 1},
		"no more than so many":            {2, 1000, 2},
		"none beside the one that begins": {0, 1000, 0},
	} {
		if got := Within(kept, []string{"new"}, test.most, test.bytes, layers); got != test.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestLayersOfUnknownSizeCountAsNothing(t *testing.T) {
	t.Parallel()
	layers := func(id string) map[string]int64 {
		if id == "damaged" {
			return nil
		}
		return map[string]int64{id: 50}
	}
	kept := []history.Generation{{Number: 3, Images: []string{"old"}}, {Number: 2, Images: []string{"damaged"}}, {Number: 1, Images: []string{"older"}}}
	if got := Within(kept, []string{"new"}, 10, 70, layers); got != 2 {
		t.Errorf("%d are kept, want 2", got)
	}
}
