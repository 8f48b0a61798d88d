import NodeRuntime
import StorageNode

@main
struct Main {
  static func main() {
    let program = StorageProgram()
    NodeRuntime.run(program: "theseus-storage", options: program.options) { try await program.start($0) }
  }
}
