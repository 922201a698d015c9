package record

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

func TestTheInnermostStageIsKept(t *testing.T) {
	t.Parallel()
	cause := At(bundle.StageVolume, fs.ErrNotExist)
	err := At(bundle.StageStart, errors.Join(errors.New("start web"), cause))
	staged, ok := errors.AsType[stageError](err)
	if !ok || staged.stage != bundle.StageVolume || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %#v", err)
	}
	if At(bundle.StageStart, nil) != nil {
		t.Error("no error got a stage")
	}
}
