package plugin

import (
	"context"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// large is the size of message that both sides take; gRPC's default is 4 MiB.
const large = 256 << 20

var dialOptions = []grpc.DialOption{
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(large), grpc.MaxCallSendMsgSize(large)),
}

func newServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(large), grpc.MaxSendMsgSize(large))...)
}

// viaGRPC is the plugin over gRPC. Its messages are Google's well-known ones, so
// that nothing has to be generated.
type viaGRPC struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer registers what the plugin's process serves.
func (*viaGRPC) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&service, new(worker))
	return nil
}

// GRPCClient is what its user has.
func (*viaGRPC) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return grpcClient{c}, nil
}

const serviceName = "mpbench.Worker"

var service = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*Worker)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Double", Handler: handler(func(w *worker, in *wrapperspb.Int64Value) (any, error) {
			n, err := w.Double(int(in.Value))
			return wrapperspb.Int64(int64(n)), err
		})},
		{MethodName: "Fill", Handler: handler(func(w *worker, in *wrapperspb.Int64Value) (any, error) {
			b, err := w.Fill(int(in.Value))
			return wrapperspb.Bytes(b), err
		})},
		{MethodName: "Pin", Handler: handler(func(w *worker, in *wrapperspb.Int64Value) (any, error) {
			return new(emptypb.Empty), w.Pin(int(in.Value))
		})},
	},
}

// handler is what generated code would be for a method.
func handler(f func(*worker, *wrapperspb.Int64Value) (any, error)) grpc.MethodHandler {
	return func(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.Int64Value)
		if err := decode(in); err != nil {
			return nil, err
		}
		return f(srv.(*worker), in)
	}
}

type grpcClient struct{ *grpc.ClientConn }

func (c grpcClient) invoke(method string, n int, out any) error {
	return c.Invoke(context.Background(), "/"+serviceName+"/"+method, wrapperspb.Int64(int64(n)), out)
}

func (c grpcClient) Double(n int) (int, error) {
	out := new(wrapperspb.Int64Value)
	err := c.invoke("Double", n, out)
	return int(out.Value), err
}

func (c grpcClient) Fill(size int) ([]byte, error) {
	out := new(wrapperspb.BytesValue)
	err := c.invoke("Fill", size, out)
	return out.Value, err
}

func (c grpcClient) Pin(cpu int) error { return c.invoke("Pin", cpu, new(emptypb.Empty)) }
