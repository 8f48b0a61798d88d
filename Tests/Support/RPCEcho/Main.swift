import EventLoop
import Glibc
import RPC
import Wire

/// The Swift side of `.ci/rpc-interop`: `rpc-echo server` answers a gRPC client of another make, `rpc-echo client
/// HOST:PORT` checks a gRPC server of another make.
@main struct Main {
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    switch (arguments.first, arguments.dropFirst().first.flatMap { Endpoint($0) }) {
    case ("server", _): exit(EventLoop.run { await EchoServer.run() })
    case ("client", let endpoint?): exit(EventLoop.run { await EchoClient(endpoint).run() })
    default:
      print("usage: rpc-echo server | rpc-echo client HOST:PORT")
      exit(2)
    }
  }
}

/// The service that both sides of the test implement; its messages are opaque bytes.
enum EchoService {
  static let unary = RPCMethod<RawMessage, RawMessage>("/test.Echo/Unary", .unary)
  static let fail = RPCMethod<RawMessage, RawMessage>("/test.Echo/Fail", .unary)
  static let sleep = RPCMethod<RawMessage, RawMessage>("/test.Echo/Sleep", .unary)
  /// How many `sleep` calls have come in, as decimal digits.
  static let sleeping = RPCMethod<RawMessage, RawMessage>("/test.Echo/Sleeping", .unary)
  /// How many `sleep` calls were cancelled, as decimal digits.
  static let cancelled = RPCMethod<RawMessage, RawMessage>("/test.Echo/Cancelled", .unary)
  static let count = RPCMethod<RawMessage, RawMessage>("/test.Echo/Count", .serverStream)
  static let total = RPCMethod<RawMessage, RawMessage>("/test.Echo/Total", .clientStream)
  static let chat = RPCMethod<RawMessage, RawMessage>("/test.Echo/Chat", .bidirectionalStream)
}
