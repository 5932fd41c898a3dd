package result

// A Row is what was measured of one thing.
type Row struct {
	Name    string
	Title   string
	Unit    Unit
	Must    *Target
	Aim     *Target
	Sides   []*Side
	Canary  []float64 // core to core and back, in ns, by pass
	Skipped string    // why it was not measured
	Curve   *Curve    // that it is a point of; nil if it stands alone
	X       float64   // where
}

// A Curve is what rows have in common that differ in one number.
type Curve struct {
	Name  string
	Title string
	Unit  string // of the number; empty if it counts something
}

// Ours is mp's side; nil if there is none.
func (r *Row) Ours() *Side { return r.first(Ours) }

// Limit is the limit's side; nil if there is none.
func (r *Row) Limit() *Side { return r.first(Limit) }

// Standard is the side that the row is measured by: its base, or else the limit; nil
// if there is neither.
func (r *Row) Standard() *Side {
	if base := r.first(Base); base != nil {
		return base
	}
	return r.Limit()
}

func (r *Row) first(k Kind) *Side {
	for _, s := range r.Sides {
		if s.Kind == k {
			return s
		}
	}
	return nil
}

// BestPeer is the peer with the best figure; nil if none has one.
func (r *Row) BestPeer() (best *Side) {
	for _, s := range r.Sides {
		if s.Kind != Peer || !s.Measured() {
			continue
		}
		if best == nil || r.Unit.Better(s.Median(), best.Median()) {
			best = s
		}
	}
	return best
}

// SlowPasses counts the passes in which the machine's CPUs were far from each other.
func (r *Row) SlowPasses(above float64) (n int) {
	for _, latency := range r.Canary {
		if latency > above {
			n++
		}
	}
	return n
}

// Moved counts the passes that tell nothing of mp and its standard, as the CPUs were moved between
// the two, out of those in which both have a figure.
func (r *Row) Moved() (moved, all int) {
	ours, standard := r.Ours(), r.Standard()
	if ours == nil || standard == nil {
		return 0, 0
	}
	return ours.MovedPasses(standard)
}

// Again counts how often mp was measured again, as the CPUs had been moved.
func (r *Row) Again() (n int) {
	if ours := r.Ours(); ours != nil {
		for _, p := range ours.Passes {
			n += p.Again
		}
	}
	return n
}
