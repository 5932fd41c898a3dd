package wire

import "reflect"

// opaqueLevels is how deeply a type with a MarshalCBOR may nest its CBOR.
const opaqueLevels = 64

// summarize fills in what nodes say of all that their types contain.
func summarize(nodes map[reflect.Type]*node) {
	within := make(map[*node]map[*node]bool, len(nodes))
	for _, n := range nodes {
		within[n] = contents(n)
	}
	for _, n := range nodes {
		n.include(n, within)
		for m := range within[n] {
			n.include(m, within)
		}
	}
	for _, n := range nodes {
		if n.levels < maxLevels {
			n.levels = height(n)
		}
	}
}

// contents are the nodes inside n, with n itself only if it contains itself.
func contents(n *node) map[*node]bool {
	found := make(map[*node]bool)
	todo := []*node{n}
	for len(todo) > 0 {
		last := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range last.parts {
			if !found[p.node] {
				found[p.node] = true
				todo = append(todo, p.node)
			}
		}
	}
	return found
}

// include notes in n what it contains by containing m.
func (n *node) include(m *node, within map[*node]map[*node]bool) {
	n.handles = n.handles || m.role == handle
	n.tags = n.tags || m.role == opaque || m.role == bignum
	if within[m][m] {
		n.levels, n.look = maxLevels, true
	}
	n.look = n.look || m.role == instant || mayPointToNull(m)
}

// mayPointToNull reports whether n is a pointer type and CBOR may have the same for
// a pointer to some value as for no pointer.
func mayPointToNull(n *node) bool {
	return n.role == inner && n.typ.Kind() == reflect.Pointer && n.parts[0].node.nullable()
}

// nullable reports whether some value of the type is null in CBOR.
func (n *node) nullable() bool {
	switch n.typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return n.role != scalar
	}
	return n.role == instant
}

// height is how deeply the CBOR of a type that does not contain itself is nested.
func height(n *node) int {
	most := 0
	for _, p := range n.parts {
		most = max(most, height(p.node))
	}
	switch {
	case n.role == opaque:
		return opaqueLevels
	case n.role == bignum, n.role == inner && n.typ.Kind() != reflect.Pointer:
		return most + 1
	}
	return most
}
