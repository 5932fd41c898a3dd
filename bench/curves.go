package main

import (
	"fmt"
	"strconv"

	"github.com/mpgo/mp/bench/internal/result"
	"github.com/mpgo/mp/bench/internal/side"
)

// A curve is rows that differ in one number.
type curve struct {
	result.Curve
	point  string // title of a point, with %s for the number
	points []int
	label  func(int) string
	row    func(x int) row // the rest
	flat   int             // the last point must come close to this one; 0 if it need not
}

var curves = []curve{
	{
		Curve:  result.Curve{Name: "pipe-size", Title: "Pipe: cost of a message against its size", Unit: "B"},
		point:  "Pipe, cost of a message of %s",
		points: sizes, label: sizeLabel,
		row: func(size int) row {
			return row{
				job:  side.Job{Work: side.OneWay, Size: size, Capacity: slots(size)},
				unit: result.Nanoseconds, convert: asCost, twoCPUs: true, longer: 1 + size/(4<<20),
			}
		},
	},
	{
		Curve:  result.Curve{Name: "queue-size", Title: "Queue: cost of a message against its size", Unit: "B"},
		point:  "Queue, cost of a message of %s",
		points: sizes, label: sizeLabel,
		row: func(size int) row {
			return row{
				job:  side.Job{Work: side.Queue, Size: size, Capacity: min(slots(size), capacity), Producers: 1, Consumers: 1},
				unit: result.Nanoseconds, convert: asCost, longer: 1 + size/(4<<20),
			}
		},
	},
	{
		Curve:  result.Curve{Name: "queue-capacity", Title: "Queue: messages of 64 B against how many fit"},
		point:  "Queue, 64 B, room for %s messages",
		points: []int{64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20}, label: strconv.Itoa,
		row: func(n int) row {
			return row{
				job:  side.Job{Work: side.Queue, Size: small, Capacity: n, Producers: 1, Consumers: 1},
				unit: result.Millions, longer: 1 + n/(256<<10), // so that warming up comes to every cell
			}
		},
		flat: 512, // with room for 64 both sides wait for each other
	},
	idleCurve("queue-idle", "other processes that have it and do nothing", false),
	idleCurve("queue-idle-used", "other processes that have used it once and do nothing", true),
	{
		Curve:  result.Curve{Name: "queue-processes", Title: "Queue: messages of 64 B against processes, half of them producers"},
		point:  "Queue, 64 B, %s processes, half of them producers",
		points: []int{2, 4, 8, 16, 32, 64}, label: strconv.Itoa,
		row: func(n int) row {
			return row{
				job:  side.Job{Work: side.Queue, Size: small, Capacity: capacity, Producers: n / 2, Consumers: n / 2},
				unit: result.Millions, longer: 1 + n/16,
			}
		},
	},
	{
		Curve:  result.Curve{Name: "mutex-processes", Title: "Mutex: lock, add, unlock against processes"},
		point:  "Mutex, lock, add, unlock, by %s processes",
		points: []int{2, 4, 8, 16, 32, 64}, label: strconv.Itoa,
		row: func(n int) row {
			return row{job: side.Job{Work: side.MutexContended, Workers: n}, unit: result.Nanoseconds, longer: 1 + n/16}
		},
	},
	{
		Curve:  result.Curve{Name: "mutex-goroutines", Title: "Mutex: lock, add, unlock by 2 processes, against goroutines of each"},
		point:  "Mutex, lock, add, unlock, by 2 processes of %s goroutines",
		points: []int{1, 10, 100, 1000, 10_000}, label: strconv.Itoa,
		row: func(n int) row {
			return row{job: side.Job{Work: side.MutexContended, Workers: 2, Goroutines: n}, unit: result.Nanoseconds, longer: 1 + n/1000}
		},
	},
}

// idleCurve is one producer and one consumer of a queue, against bystanders.
func idleCurve(name, bystanders string, used bool) curve {
	return curve{
		Curve:  result.Curve{Name: name, Title: "Queue: messages of 64 B against " + bystanders},
		point:  "Queue, 64 B, 1 producer, 1 consumer, " + bystanders + ": %s",
		points: []int{1, 4, 16, 64}, label: strconv.Itoa,
		row: func(n int) row {
			job := oneToOne
			job.Bystanders, job.Used = n, used
			return row{job: job, unit: result.Millions}
		},
		flat: 1,
	}
}

var sizes = []int{8, 64, 512, 4 << 10, 32 << 10, 256 << 10, 2 << 20, 16 << 20, 64 << 20}

// slots is how many messages of a size fit: 256 KiB of them, at least 2.
func slots(size int) int { return max(2, min(4096, 256<<10/size)) }

func sizeLabel(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// curveRows are the points of all curves, or of each the first and the one in the
// middle, which take less time than the last.
func curveRows(few bool) (rows []*row) {
	for _, c := range curves {
		points := c.points
		if few {
			points = []int{points[0], points[len(points)/2]}
		}
		rows = append(rows, c.rows(points)...)
	}
	return rows
}

// rows are some points of the curve.
func (c *curve) rows(points []int) (rows []*row) {
	for _, x := range points {
		r := c.row(x)
		r.name = c.rowName(x)
		r.title = fmt.Sprintf(c.point, c.label(x))
		r.curve, r.x = &c.Curve, float64(x)
		rows = append(rows, &r)
	}
	if c.flat != 0 {
		last := rows[len(rows)-1]
		last.base = &base{c.rowName(c.flat), c.row(c.flat).job}
		last.must, last.aim = result.TimesBase(0.5), result.TimesBase(0.8)
	}
	return rows
}

func (c *curve) rowName(x int) string { return fmt.Sprintf("scale/%s/%d", c.Name, x) }
