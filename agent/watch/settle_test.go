package watch

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
)

const testQuiet, testPrompt, testPrune, testPatience = 300 * time.Millisecond, 50 * time.Millisecond, 3 * time.Second, 12 * time.Second

func newSettler() *Settler {
	return &Settler{Quiet: testQuiet, Prompt: testPrompt, PruneQuiet: testPrune, Patience: testPatience}
}

// treeWith is a tree of files with one word each, "a=1 b=2"; one that ends with "!" is open for writing.
func treeWith(words string) Tree {
	var entries []entry
	for _, word := range strings.Fields(words) {
		name, text, _ := strings.Cut(word, "=")
		text, written := strings.CutSuffix(text, "!")
		entries = append(entries, entry{
			file: manifests.File{Path: name, Name: name, Text: []byte(text)}, sum: sha256.Sum256([]byte(text)), written: written,
		})
	}
	return treeOf(entries, "")
}

// words are the files of a tree.
func words(tree Tree) string {
	var words []string
	for _, file := range tree.Files {
		words = append(words, file.Name+"="+string(file.Text))
	}
	return strings.Join(words, " ")
}

// fault: the tree changes while it is read | one settled tree counts
func TestSettler(t *testing.T) {
	t.Parallel()
	type look struct {
		at   time.Duration
		tree string
		want Verdict
	}
	const quiet, prompt, prune = testQuiet, testPrompt, testPrune
	for name, looks := range map[string][]look{
		"waits, applies, prunes": {
			{0, "a=1!", Verdict{Wait: quiet}},
			{quiet, "a=1!", Verdict{Apply: true, Wait: prune - quiet}},
			{prune, "a=1!", Verdict{Apply: true, Prune: true}},
		},
		"waits less without a writer": {
			{0, "a=1", Verdict{Wait: prompt}},
			{prompt, "a=1", Verdict{Apply: true, Wait: prune - prompt}},
			{prune, "a=1", Verdict{Apply: true, Prune: true}},
		},
		"waits on when one change follows another": {
			{0, "a=1", Verdict{Wait: prompt}},
			{20 * time.Millisecond, "a=2", Verdict{Wait: quiet, Restless: 20 * time.Millisecond}},
			{200 * time.Millisecond, "a=2 b=1", Verdict{Wait: quiet, Restless: 200 * time.Millisecond}},
			{500 * time.Millisecond, "a=2 b=1", Verdict{Apply: true, Wait: prune - quiet}},
			{time.Second, "a=2", Verdict{Wait: prompt}},
			{time.Second + 40*time.Millisecond, "a=3", Verdict{Wait: quiet, Restless: 40 * time.Millisecond}},
		},
		"waits on when a write begins": {
			{0, "a=1", Verdict{Wait: prompt}},
			{prompt, "a=1!", Verdict{Wait: quiet - prompt, Restless: prompt}},
			{quiet, "a=1!", Verdict{Apply: true, Wait: prune - quiet}},
		},
		"begins again when the tree changes": {
			{0, "a=1!", Verdict{Wait: quiet}},
			{200 * time.Millisecond, "a=2!", Verdict{Wait: quiet, Restless: 200 * time.Millisecond}},
			{400 * time.Millisecond, "a=2!", Verdict{Wait: 100 * time.Millisecond, Restless: 400 * time.Millisecond}},
			{500 * time.Millisecond, "a=2!", Verdict{Apply: true, Wait: prune - quiet}},
		},
		"a change back counts as a change": {
			{0, "a=1!", Verdict{Wait: quiet}},
			{time.Second, "a=2!", Verdict{Wait: quiet}},
			{2 * time.Second, "a=1!", Verdict{Wait: quiet}},
		},
		"a change after an hour is as fresh as any": {
			{0, "a=1 b=1", Verdict{Wait: prompt}},
			{prune, "a=1 b=1", Verdict{Apply: true, Prune: true}},
			{time.Hour, "a=1", Verdict{Wait: prompt}},
			{time.Hour + prompt, "a=1", Verdict{Apply: true, Wait: prune - prompt}},
		},
	} {
		settler, start := newSettler(), time.Unix(0, 0)
		for _, look := range looks {
			got := settler.See(treeWith(look.tree), "", start.Add(look.at))
			if diff := cmp.Diff(look.want, got, cmpopts.IgnoreTypes(Tree{})); diff != "" {
				t.Errorf("%s: at %v: %s", name, look.at, diff)
			}
			if got.Apply && words(got.Tree) != strings.ReplaceAll(look.tree, "!", "") {
				t.Errorf("%s: at %v: applies %q of %q", name, look.at, words(got.Tree), look.tree)
			}
		}
	}
}

// churn has a settler look at a tree each step until the end. Its last word is the file that keeps changing, "c=%d".
// It returns the last verdict.
func churn(settler *Settler, tree string, from, step, until time.Duration) Verdict {
	var verdict Verdict
	for at := from; at <= until; at += step {
		settler.See(treeWith(fmt.Sprintf(tree, at)), "", time.Unix(0, 0).Add(at))
		verdict = settler.See(treeWith(fmt.Sprintf(tree, at)), "", time.Unix(0, 0).Add(at+min(step, testQuiet)-1))
	}
	return verdict
}

// fault: a manifest keeps changing | it alone waits: others are applied, and removals are done
func TestAFileThatKeepsChangingDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"each second": time.Second, "all the time": 40 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settler := newSettler()
			settled := func(at time.Duration) { settler.See(treeWith("a=1 b=1 c=0"), "", time.Unix(0, 0).Add(at)) }
			settled(0)
			settled(testPrune)
			began := testPrune + time.Second
			churn(settler, "a=1 b=1 c=%d", began, step, began+2*time.Second)
			// Now b is removed, and d is new.
			verdict := churn(settler, "a=1 c=%d d=1", began+2*time.Second, step, began+testPatience)
			if verdict.Prune && !slices.Contains(verdict.Unsettled, "b") {
				t.Errorf("what came from b may be removed at once: %+v", verdict)
			}
			verdict = churn(settler, "a=1 c=%d d=1", began+testPatience+step, step, began+3*time.Second+testPatience)
			if !verdict.Apply || !verdict.Prune {
				t.Fatalf("after %s: %+v", testPatience, verdict)
			}
			if diff := cmp.Diff([]string{"c"}, verdict.Unsettled); diff != "" {
				t.Errorf("unsettled: %s", diff)
			}
			if got := words(verdict.Firm); got != "a=1 c=0 d=1" {
				t.Errorf("firm is %q", got)
			}
			switch got := words(verdict.Tree); {
			case step > testQuiet && (len(verdict.Changing) > 0 || !strings.HasPrefix(got, "a=1 c=")):
				t.Errorf("applies %q, changing %v", got, verdict.Changing)
			case step < testQuiet && (got != "a=1 c=0 d=1" || !slices.Equal(verdict.Changing, []string{"c"})):
				t.Errorf("applies %q, changing %v", got, verdict.Changing)
			}
		})
	}
}

func TestNothingIsJudgedFileByFileWhileGitChecksOut(t *testing.T) {
	t.Parallel()
	settler := newSettler()
	settler.See(treeWith("a=1"), "", time.Unix(0, 0))
	for at := time.Duration(0); at < 5*testPatience; at += testPrompt {
		tree := treeWith(fmt.Sprintf("a=1 c=%d", at))
		tree.busy, tree.Unfinished = true, true
		if verdict := settler.See(tree, "", time.Unix(0, 0).Add(at)); verdict.Apply || verdict.Prune {
			t.Fatalf("at %s: %+v", at, verdict)
		}
	}
}

func TestAnotherFingerprintIsNoneOfAFileThatKeepsChanging(t *testing.T) {
	t.Parallel()
	settler := newSettler()
	settler.See(treeWith("a=1 c=0"), "", time.Unix(0, 0))
	settler.See(treeWith("a=1 c=0"), "", time.Unix(0, 0).Add(testPrune))
	one := churn(settler, "a=1 c=%d", testPrune+time.Second, testPrompt, 3*testPatience)
	two := churn(settler, "a=1 c=%d", 3*testPatience+testPrompt, testPrompt, 4*testPatience)
	if !one.Apply || !two.Apply || one.Tree.Fingerprint != two.Tree.Fingerprint || one.Firm.Fingerprint != two.Firm.Fingerprint {
		t.Errorf("a pass for each change: %q, %q", words(one.Tree), words(two.Tree))
	}
}

// TestWhatTheSettlerLetsGo changes files at random. The applied version of each file is one that it had for the
// quiet time, or the whole tree was quiet; and removed objects were missing for the time that removals wait.
func TestWhatTheSettlerLetsGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(draw *rapid.T) {
		settler, now := newSettler(), time.Unix(0, 0)
		files, since, changed := map[string]string{"a": "0", "b": "0", "c": "0"}, map[string]time.Time{}, now
		for step := range rapid.IntRange(1, 200).Draw(draw, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, 40 * time.Millisecond, testQuiet, time.Second, testPrune, testPatience}).Draw(draw, "pause"))
			if name := rapid.SampledFrom([]string{"", "a", "b", "c", "c", "c", "c"}).Draw(draw, "file"); name != "" {
				_, existed := files[name]
				gone := rapid.IntRange(0, 2).Draw(draw, "gone") == 0
				if files[name] = fmt.Sprint(step); gone {
					delete(files, name)
				}
				if existed || !gone {
					since[name], changed = now, now
				}
			}
			text := ""
			for _, name := range []string{"a", "b", "c"} {
				if content, ok := files[name]; ok {
					text += name + "=" + content + " "
				}
			}
			verdict := settler.See(treeWith(text), "", now)
			for _, name := range []string{"a", "b", "c"} {
				content, exists := files[name]
				applied := strings.Contains(words(verdict.Tree)+" ", name+"="+content+" ")
				if verdict.Apply && exists && applied && now.Sub(changed) < testPrompt && now.Sub(since[name]) < testQuiet {
					draw.Fatalf("%s is applied %s after its change", name, now.Sub(since[name]))
				}
				wait := testPatience
				if now.Sub(changed) >= testPrune {
					wait = testPrune
				}
				if verdict.Prune && !slices.Contains(verdict.Unsettled, name) && now.Sub(since[name]) < wait {
					draw.Fatalf("what came from %s may go %s after its change", name, now.Sub(since[name]))
				}
			}
			if !verdict.Apply && verdict.Wait <= 0 {
				draw.Fatalf("waits for nothing: %+v", verdict)
			}
		}
	})
}
