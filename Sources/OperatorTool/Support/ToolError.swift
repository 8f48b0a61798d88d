/// What the operator tool could not do, in one sentence for people.
package struct ToolError: Error, Hashable, CustomStringConvertible {
  enum Kind: Hashable, Sendable {
    /// The command line is wrong: exit code 2.
    case usage
    /// The command could not be carried out: exit code 1.
    case failure
    /// What is there does not fit together, so nothing was tried: exit code 3.
    case refused
  }

  var kind = Kind.failure
  var message: String

  init(_ message: String) { self.message = message }

  static func usage(_ message: String) -> ToolError {
    var error = ToolError(message)
    error.kind = .usage
    return error
  }

  static func refused(_ message: String) -> ToolError {
    var error = ToolError(message)
    error.kind = .refused
    return error
  }

  /// All of `problems`, each on a line of its own.
  static func refused(_ problems: [String]) -> ToolError { .refused(problems.joined(separator: "\n  ")) }

  package var description: String { message }

  var exitCode: Int32 {
    switch kind {
    case .failure: 1
    case .usage: 2
    case .refused: 3
    }
  }
}
