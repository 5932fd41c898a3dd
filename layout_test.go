package mp

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

func TestTheDocumentedLayoutIsThatOfTheTypedObjects(t *testing.T) {
	testkit.RequireLayouts(t, ".", "mp", reflect.TypeFor[mutexWords](), reflect.TypeFor[valueWords](),
		reflect.TypeFor[arrayWords](), reflect.TypeFor[pipeHeader]())
	link := testkit.Layouts(t, ".")["Link"]
	require.Len(t, link, 2)
	require.Equal(t, linkClaims, link[1].Offset, "where the streams begin")
}
