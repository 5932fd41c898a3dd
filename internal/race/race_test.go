package race_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the program in testdata/scenes plays, and whether the detector reports it.
var (
	right = []string{
		"MapUnderMutex", "MapUnderMutexOfTwoHandles", "MapThroughQueue", "MapThroughQueueOfParcels",
		"MapUnderRWMutex", "MapUnderRLock", "MapUnderCond", "MapUnderSemaphore", "MapUnderBoundedSemaphore",
		"MapAcrossBarrier", "MapMadeOnce", "MapAnnouncedByEvent", "MapAnnouncedByClear",
		"MapBeforeAbort", "MapBeforeReset", "MapBeforeGivingUp", "MapBeforeAFailedAction",
		"MapBeforeClose", "MapBeforeCloseOfAFull", "MapRepaired",
		"MapAnnouncedByValue", "MapAnnouncedByLargeValue", "MapUnderSpinLock", "MapCountedDown", "MapCountedDownInArray",
		"Value", "LargeValue",
		"ElementUnderMutex", "ElementsUnderUpdate", "NeighbouringElements", "AddAt", "AddAtNextToSet", "ElementsWithoutSize",
		"ElementThroughAnotherProcess", "ElementThroughAnEnd", "ElementThroughATask",

		"MapThroughReceive", "MapThroughNack", "MapBeforeAckAndJoin", "MapThroughBatches", "MapThroughLoan",
		"MapThroughRoomInAQueue", "MapThroughAGrowingQueue",
		"MapThroughPipe", "MapThroughPipeOfParcels", "MapThroughRoomInAPipe", "MapBeforeTheEndOfAPipe", "MapThroughStream",
		"MapThroughCall", "MapThroughFuture", "MapThroughMap",
	}
	wrong = []string{
		"SetAndSet", "SetAndAt", "SetAndAtOfStructs", "SetThroughTwoHandles", "SetUnderTwoMutexes",
		"SetAndAddAt", "AtAndUpdate", "SetBesideOtherPages",
		"MapWithoutMutex", "MapUnderReadLocks", "MapUnderDifferentLocks",
		"MapAfterPut", "MapAfterPutBatch", "MapAfterPublish", "MapAfterNack", "MapAfterSend", "MapAfterWrite",
		"MapAfterSet", "MapAfterRelease", "MapAfterUpdate", "MapAfterUnlock", "MapAfterUnlockOfAnR", "MapBesideATask",
	}
)

func TestTheDetectorSeesSharedObjects(t *testing.T) {
	program := buildScenes(t)
	for _, scene := range right {
		t.Run(scene+"IsClean", func(t *testing.T) {
			out, code := play(t, program, scene)
			require.Equal(t, 0, code, "%s", out)
			require.NotContains(t, out, "DATA RACE")
		})
	}
	for _, scene := range wrong {
		t.Run(scene+"IsReported", func(t *testing.T) {
			out, code := play(t, program, scene)
			require.Contains(t, out, "DATA RACE")
			require.Equal(t, exitRace, code, "%s", out)
		})
	}
	t.Run("NoSceneIsForgotten", func(t *testing.T) {
		out, _ := play(t, program, "list")
		require.ElementsMatch(t, append(right, wrong...), strings.Fields(out))
	})
}

// A method that is an element's access and a few checks is inlined, and it is just
// small enough for that: what is there for the detector must not count.
func TestWithoutTheDetectorAnAccessIsInlined(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command:", err)
	}
	const scenes = "github.com/mpgo/mp/internal/race/testdata/scenes"
	program := filepath.Join(t.TempDir(), "scenes")
	out, err := exec.Command("go", "build", "-gcflags="+scenes+"=-m", "-o", program, "./testdata/scenes").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `inlining call to mp\.\(\*Array\[.*\]\)\.At\b`, string(out))
	require.Regexp(t, `inlining call to mp\.\(\*Array\[.*\]\)\.Set\b`, string(out))
}

// exitRace is the exit code of a program in which the detector found a race.
const exitRace = 66

// play plays one scene and returns its output and exit code.
func play(t *testing.T, program, scene string) (string, int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, scene)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // it would wait a second for late reports
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// buildScenes builds the program with the race detector.
func buildScenes(t *testing.T) string {
	program := filepath.Join(t.TempDir(), "scenes")
	cmd := exec.Command("go", "build", "-race", "-o", program, "./testdata/scenes")
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		t.Skip("there is no go command to build a program with:", err)
	case err != nil && noDetector.Match(out):
		t.Skipf("there is no race detector here: %s", noDetector.Find(out))
	}
	require.NoError(t, err, "%s", out)
	return program
}

// noDetector is how the go command says that it cannot build with the detector:
// without cgo, on other processors, or without a C compiler to link with.
var noDetector = regexp.MustCompile(`-race (requires cgo|is not supported).*|C compiler .* not found.*`)
