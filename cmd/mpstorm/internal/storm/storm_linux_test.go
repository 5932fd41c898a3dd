package storm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
)

// marker tells this binary to let a storm rage with the saboteur of that name in the
// crew, and to print the report.
const marker = "STORM_WITH"

func TestMain(m *testing.M) {
	mp.Init()
	if name, is := os.LookupEnv(marker); is {
		o := Options{Duration: time.Second, Procs: 2, Seed: 1, Limit: time.Minute, Progress: io.Discard, Sailor: saboteurs[name]}
		if name == "idler" {
			o.Limit = 2 * time.Second
		}
		r, err := Run(context.Background(), o)
		if err := errors.Join(err, json.NewEncoder(os.Stdout).Encode(r)); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// saboteurs are sailors who do something wrong before they do what is right.
var saboteurs = map[string]*mp.Func[Articles, int]{
	"thief": saboteur("thief", func(h *hand) error {
		return h.behind(mutexDoor(h.world.Mutex), h.world.MutexBank, func(b words) error {
			b.Set(balances, b.At(balances)-1)
			return nil
		})
	}),
	"forger": saboteur("forger", func(h *hand) error {
		_, err := mp.Add(h.world.Count.Value, 1)
		return err
	}),
	"swallower": saboteur("swallower", func(h *hand) error {
		if err := h.put(h.world.Leased); err != nil {
			return err
		}
		d, err := h.world.Leased.Queue.TryReceive()
		if err != nil {
			return err
		}
		return d.Ack()
	}),
	"quitter": saboteur("quitter", func(*hand) error { return errors.New("I will not") }),
	"idler":   saboteur("idler", func(*hand) error { select {} }),
}

// saboteur does wrong once, in the first watch.
func saboteur(name string, wrong func(*hand) error) *mp.Func[Articles, int] {
	return mp.Register("storm."+name, func(ctx context.Context, a Articles) (int, error) {
		if a.Berth == 0 && a.First.Watch == 1 {
			h := a.hand(ctx, 0, &a.First.World)
			h.captain = true // it is in no hurry
			if err := wrong(h); err != nil {
				return 0, err
			}
		}
		return sail(ctx, a)
	})
}

// stormWith is the report of a storm with a saboteur, or none.
func stormWith(t *testing.T, name string) (r Report) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), marker+"="+name, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &r))
	return r
}

func TestAStormWithoutASaboteurViolatesNothing(t *testing.T) {
	r := stormWith(t, "")
	require.Empty(t, r.Violations)
	require.Positive(t, r.Kills)
	require.GreaterOrEqual(t, r.Births, r.Kills)
	require.Len(t, r.Musters, 2)
	require.Equal(t, r.Musters[0].Bytes, r.Musters[1].Bytes)
	require.Len(t, r.Acts, len(acts))
}

func TestASaboteurIsFound(t *testing.T) {
	for name, found := range map[string]string{
		"thief":     "Mutex, at the end of watch 1: the accounts have 7999 in all, and 8000 is due",
		"forger":    "Value, Add, at the end of watch 1: 1 changes are there; 0 are known to be done",
		"swallower": "Queue, leases, at the end of watch 1: 1 messages lost (the dead can have had 0)",
		"quitter":   "I will not",
		"idler":     "berth 0 does not come to rest within 2s; it is between two acts and between two acts",
	} {
		t.Run(name, func(t *testing.T) {
			r := stormWith(t, name)
			require.NotEmpty(t, r.Violations)
			require.Contains(t, r.Violations[0], found)
			if name == "idler" {
				require.Contains(t, r.Violations[0], "SIGQUIT", "and where")
			}
		})
	}
}
