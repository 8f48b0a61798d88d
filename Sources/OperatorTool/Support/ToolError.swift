/// What the operator tool could not do, in one sentence for people.
package struct ToolError: Error, Hashable, CustomStringConvertible {
  enum Kind: Hashable, Sendable {
    /// The command line is wrong: exit code 2.
    case usage
    /// The command could not be carried out: exit code 1.
    case failure
  }

  var kind = Kind.failure
  var message: String

  init(_ message: String) { self.message = message }

  static func usage(_ message: String) -> ToolError {
    var error = ToolError(message)
    error.kind = .usage
    return error
  }

  package var description: String { message }
  var exitCode: Int32 { kind == .usage ? 2 : 1 }
}
