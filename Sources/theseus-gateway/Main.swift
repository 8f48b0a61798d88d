import GatewayNode
import NodeRuntime

/// `theseus-gateway`: the SQL gateway.
@main
struct Main {
  static func main() {
    let flags = GatewayFlags()
    NodeRuntime.run(program: "theseus-gateway", options: flags.options) { runtime in
      let options: GatewayOptions
      do {
        options = try flags.read(runtime.configuration)
      } catch {
        NodeRuntime.fail("theseus-gateway", "\(error)")
      }
      _ = try await Gateway.start(options, runtime)
    }
  }
}
