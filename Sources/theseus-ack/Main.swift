import AckNode
import NodeRuntime

@main
struct Main {
  static func main() {
    let program = AckProgram()
    NodeRuntime.run(program: "theseus-ack", options: program.options) { try await program.start($0) }
  }
}
