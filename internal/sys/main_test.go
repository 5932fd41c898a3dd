package sys_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

// scripts are what second processes of these tests do; see testkit.Main.
var scripts = map[string]testkit.Script{
	"idle": func(p *testkit.Peer) { p.Say("ready"); p.Hear() },
	"busyTillKilled": func(p *testkit.Peer) {
		runtime.GOMAXPROCS(1)
		if err := sys.KillAfter(time.Millisecond); err != nil {
			p.Say(err)
			return
		}
		for n := 0; ; n++ { // nobody else has a turn
		}
	},
}

func TestMain(m *testing.M) { testkit.Main(m, scripts) }
