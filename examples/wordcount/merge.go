package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A merger brings the tables of the workers together. It lets some come in and then
// merges them all at once, shard by shard, on all CPUs: each CPU needs the memory of
// a single shard for that, which stays in its cache.
type merger struct {
	waiting []*packedTable
	bytes   int
}

// mergeBytes of waiting tables are merged, so that they do not fill the memory.
const mergeBytes = 128 << 20

// add takes a packed table, which must not change any more.
func (m *merger) add(p *packedTable) error {
	m.waiting = append(m.waiting, p)
	if m.bytes += p.size(); m.bytes < mergeBytes {
		return nil
	}
	_, err := m.merge()
	return err
}

// merge merges all tables that were added.
func (m *merger) merge() (*packedTable, error) {
	var (
		merged packedTable
		next   atomic.Int64
		failed atomic.Bool
		wg     sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), shardCount) {
		wg.Go(func() {
			var scratch shard
			for i := next.Add(1) - 1; i < shardCount; i = next.Add(1) - 1 {
				if m.mergeShard(int(i), &scratch, &merged[i]) != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		return nil, errDamaged
	}
	m.waiting, m.bytes = append(m.waiting[:0:0], &merged), 0
	return &merged, nil
}

// mergeShard merges the shards with one number of all tables.
func (m *merger) mergeShard(i int, scratch *shard, merged *packedShard) error {
	scratch.reset()
	for _, p := range m.waiting {
		if err := scratch.merge(p[i]); err != nil {
			return err
		}
	}
	*merged = scratch.packed()
	return nil
}
