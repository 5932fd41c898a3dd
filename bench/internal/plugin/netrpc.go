package plugin

import (
	"net/rpc"

	goplugin "github.com/hashicorp/go-plugin"
)

// netRPC is the plugin over net/rpc.
type netRPC struct{}

// Server is what the plugin's process serves.
func (netRPC) Server(*goplugin.MuxBroker) (any, error) { return &netRPCServer{new(worker)}, nil }

// Client is what its user has.
func (netRPC) Client(_ *goplugin.MuxBroker, c *rpc.Client) (any, error) { return netRPCClient{c}, nil }

type netRPCServer struct{ w *worker }

func (s *netRPCServer) Double(n int, out *int) (err error) {
	*out, err = s.w.Double(n)
	return err
}

func (s *netRPCServer) Fill(size int, out *[]byte) (err error) {
	*out, err = s.w.Fill(size)
	return err
}

func (s *netRPCServer) Pin(cpu int, _ *struct{}) error { return s.w.Pin(cpu) }

type netRPCClient struct{ *rpc.Client }

func (c netRPCClient) Double(n int) (out int, err error) {
	err = c.Call("Plugin.Double", n, &out)
	return out, err
}

func (c netRPCClient) Fill(size int) (out []byte, err error) {
	err = c.Call("Plugin.Fill", size, &out)
	return out, err
}

func (c netRPCClient) Pin(cpu int) error { return c.Call("Plugin.Pin", cpu, new(struct{})) }
