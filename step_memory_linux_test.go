package mp

import (
	"context"
	"errors"
	"os"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// Sizes of blocks.
const (
	smallBlock  = 64        // there is a span with room for it
	unusedBlock = 3000      // there is no span for it yet
	largeBlock  = 200 << 10 // of its own
)

// held is the victim's block.
var held *shm.Object

func init() {
	for what, size := range map[string]int{
		"a small block": smallBlock, "the first block of a span": unusedBlock, "a large block": largeBlock,
	} {
		hold := func(context.Context, *scene) (err error) {
			held, err = newBlock(size)
			return err
		}
		feats["Arena.New of "+what] = feat{lay: layNothing, do: hold, check: checkMemory}
		feats["Object.Close of "+what] = feat{
			lay:   layNothing,
			ready: hold,
			do:    func(context.Context, *scene) error { held.Close(); return nil },
			check: checkMemory,
		}
	}
	feats["NewQueue"] = feat{
		large: true,
		lay:   layNothing,
		do:    func(_ context.Context, s *scene) (err error) { s.Queue, err = NewQueue[int64](4); return err },
		check: checkMemory,
	}
	var reader *os.File
	var last *File // of the pipe; the victim's
	feats["File.Free of the last handle"] = feat{
		lay: func(p *ordeal) { reader, p.File = filePipe(p) },
		ready: func(ctx context.Context, s *scene) error {
			w, err := s.File.Open(ctx)
			if err != nil {
				return err
			}
			last, err = NewFile(ctx, w)
			return errors.Join(err, w.Close())
		},
		do: func(context.Context, *scene) error { return last.Free() },
		check: func(p *ordeal) {
			require.NoError(p, p.File.Free())
			p.File = nil
			requireEnd(p, reader, "")
		},
	}
	feats["Arena.Reserve of a place for a child"] = feat{
		lay: layNothing,
		do: func(context.Context, *scene) error {
			a, err := arena()
			return then(err, func() error { _, err := a.Reserve(); return err })
		},
		check: func(p *ordeal) {
			p.awaitDeath()
			eventually(p, func() bool { return vacancies(p) == shm.MaxProcesses-2 }, "all places but two free")
		},
	}
}

func layNothing(*ordeal) {}

func newBlock(size int) (*shm.Object, error) {
	a, err := arena()
	if err != nil {
		return nil, err
	}
	return a.New(kindValue, 0, size)
}

// checkMemory makes and frees blocks of all sizes. That none is lost the caller looks
// at after each victim.
func checkMemory(p *ordeal) {
	for _, size := range []int{smallBlock, unusedBlock, largeBlock} {
		o, err := newBlock(size)
		require.NoError(p, err)
		o.Close()
	}
}

// vacancies is for how many more processes there is a place.
func vacancies(p *ordeal) int {
	a, err := arena()
	require.NoError(p, err)
	var taken []shm.Incarnation
	for {
		i, err := a.Reserve()
		if err != nil {
			require.ErrorIs(p, err, shm.ErrProcessTableFull)
			break
		}
		taken = append(taken, i)
	}
	for _, i := range taken {
		a.Bury(i)
	}
	return len(taken)
}
