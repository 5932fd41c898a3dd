package shm

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

func TestTheDocumentedLayoutIsThatOfTheArena(t *testing.T) {
	testkit.RequireLayouts(t, "..", "shm",
		reflect.TypeFor[arenaHeader](), reflect.TypeFor[slot](), reflect.TypeFor[header]())
	require.Equal(t, []testkit.LayoutRow{
		{Offset: 0, Size: pageSize, Name: "header"},
		{Offset: slotsOffset, Size: MaxProcesses * slotSize, Name: "slots"},
		{Offset: headersOffset, Name: "units"},
	}, testkit.Layouts(t, "..")["Arena"])
}

func TestTheDocumentedLayoutIsThatOfRefs(t *testing.T) {
	b, err := Ref{Arena: 1, Gen: 2, Off: 3}.AppendBinary(nil)
	require.NoError(t, err)
	requireWords(t, b, "Ref", 1, 2, 3)
}

func TestTheDocumentedLayoutIsThatOfParcels(t *testing.T) {
	a := newArena(t, 4<<20)
	o, err := a.New(KindUser, 0, 8)
	require.NoError(t, err)
	defer o.Close()
	p, err := a.NewParcel([]Ref{o.Ref()}, 5)
	require.NoError(t, err)
	defer p.Close()
	requireWords(t, p.Bytes(), "Parcel", 1, uint64(a.Self()), 5, 0)
	rows := testkit.Layouts(t, "..")["Parcel"]
	require.Equal(t, parcelHeader, rows[len(rows)-1].Offset, "where the Refs begin")
}

// requireWords finds these values where the table says that they are.
func requireWords(t *testing.T, b []byte, title string, values ...uint64) {
	t.Helper()
	for i, want := range values {
		row := testkit.Layouts(t, "..")[title][i]
		got := uint64(0)
		if row.Size == 4 {
			got = uint64(binary.LittleEndian.Uint32(b[row.Offset:]))
		} else {
			got = binary.LittleEndian.Uint64(b[row.Offset:])
		}
		require.Equal(t, want, got, "docs/memory-layout.md: %s, %s", title, row.Name)
	}
}
