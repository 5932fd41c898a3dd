package sys_test

import (
	"testing"

	"github.com/mpgo/mp/internal/testkit"
)

// scripts are what second processes of these tests do; see testkit.Main.
var scripts = map[string]testkit.Script{
	"idle": func(p *testkit.Peer) { p.Say("ready"); p.Hear() },
}

func TestMain(m *testing.M) { testkit.Main(m, scripts) }
