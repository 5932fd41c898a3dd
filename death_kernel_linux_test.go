package mp

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// poorKernel in the environment has the tests, and all that they start, live on a
// kernel without futex_waitv and without robust lists.
const poorKernel = "MP_TEST_POOR_KERNEL"

func init() {
	if os.Getenv(poorKernel) == "" || IsChild() { // children have it from their parent
		return
	}
	if err := sys.ForbidSyscalls(syscall.ENOSYS, sys.SysFutexWaitV, sys.SysSetRobustList); err != nil {
		panic(err)
	}
}

// deathsOnAPoorKernel are those that must pass there; the first ones are of each kind.
var deathsOnAPoorKernel = []string{
	"TestWhoWaitsForAKilledOwnerGoesOn", "TestWhoComesAfterAnOwnersDeathIsToldAtOnce", "TestTryTellsOfAnOwnersDeath",
	"TestADeadPartyBreaksTheBarrier", "TestNobodyNoticesTheDeathOfAWaiter", "TestSiblingsLearnOfADeathWithoutTheirParent",
	"TestADeadOwnersLockStaysSoUntilItIsRepaired", "TestOneOfManyRepairs",
	"TestARecovererWhoIsKilledLeavesTheRecoveryToTheNext", "TestTwoDeathsAtATime", "TestWhoBuriesTheDeadMayDieToo",
	"TestAWakeUpIsNotLostWithTheOneItWentTo",
	"TestAStoppedWaiterHoldsNobodyUp", "TestAWakerKilledRightAfterItsStoreIsNotMissed",
	"TestAPartnerKilledInTheMiddleOfAGame", "TestAKilledParentWasTheOwner",
	"TestDistantRelativesLearnOfADeath", "TestAddWaitsForNobody",
}

// Without futex_waitv everybody polls, and without robust lists nobody leaves a
// mark: what is promised of deaths holds all the same, only later.
func TestDeathsOnAPoorKernel(t *testing.T) {
	if os.Getenv(poorKernel) != "" {
		t.Skip("this is one")
	}
	tests := deathsOnAPoorKernel
	if brief() {
		tests = tests[:6]
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.short", "-test.v", "-test.run=^("+strings.Join(tests, "|")+")$")
	cmd.Env = append(os.Environ(), poorKernel+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, len(tests), strings.Count("\n"+string(out), "\n--- PASS"), "%s", out)
	t.Logf("%s", out[strings.LastIndex(string(out), "\n--- PASS"):])
}
