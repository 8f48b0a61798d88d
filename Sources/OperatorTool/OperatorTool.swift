import EventLoop
import Glibc

/// The program `theseus`: starts local clusters, looks at running ones, runs migrations, shows the main
/// job and measures it.
public enum OperatorTool {
  /// - Parameter arguments: without the program's own name.
  /// - Returns: the exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 3 what is there does not fit together.
  @EventLoopActor public static func run(_ arguments: [String]) async -> Int32 {
    do throws(ToolError) {
      return try await dispatch(arguments)
    } catch {
      Console.error("theseus: \(error.message)")
      return error.exitCode
    }
  }

  @EventLoopActor private static func dispatch(_ arguments: [String]) async throws(ToolError) -> Int32 {
    guard let first = arguments.first else {
      Console.error(overview)
      return 2
    }
    if first == "--help" || first == "-h" || first == "help" {
      Console.line(overview)
      return 0
    }
    let words = first == "local" || arguments.prefix(2) == ["bench", "ddl"] ? 2 : 1
    let name = arguments.prefix(words).joined(separator: " ")
    guard let flags = commands.first(where: { $0.command == name }) else {
      throw .usage("\"\(name)\" is no command; see theseus --help")
    }
    guard let values = try flags.parse(arguments.dropFirst(words)) else {
      Console.line(flags.helpText)
      return 0
    }
    if first == "local" { return try await LocalCommand.run(arguments[1], values) }
    return try await runPlain(name, values)
  }

  @EventLoopActor private static func runPlain(_ name: String, _ flags: FlagValues) async throws(ToolError) -> Int32 {
    switch name {
    case "status": return try await StatusCommand.run(flags)
    case "demo": return try await DemoCommand.run(flags)
    case "bench": return try await BenchCommand.run(flags)
    case "bench ddl": return try await DDLBenchCommand.run(flags)
    case "migrate": return try await MigrateCommand.run(flags)
    default: throw .usage("\"\(name)\" is no command; see theseus --help")
    }
  }

  @EventLoopActor private static var commands: [FlagSet] {
    LocalCommand.all + [
      StatusCommand.flags, MigrateCommand.flags, DemoCommand.flags, BenchCommand.flags, DDLBenchCommand.flags,
    ]
  }

  @EventLoopActor private static var overview: String {
    let width = (commands.map(\.command.count).max() ?? 0) + 2
    let lines = commands.map { command in
      "  theseus \(command.command)" + String(repeating: " ", count: width - command.command.count) + command.summary
    }
    return "usage: theseus COMMAND [flags]\n\n" + lines.joined(separator: "\n")
      + "\n\nEvery command explains its flags with --help."
  }
}

extension OperatorTool {
  /// The whole program: reads the process's arguments, ends the process.
  public static func main() -> Never {
    let arguments = Array(CommandLine.arguments.dropFirst())
    exit(EventLoop.run { await run(arguments) })
  }
}
