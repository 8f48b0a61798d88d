import MetadataNode
import NodeRuntime

@main
struct Main {
  static func main() {
    let program = MetadataProgram()
    NodeRuntime.run(program: "theseus-meta", options: program.options) { try await program.start($0) }
  }
}
