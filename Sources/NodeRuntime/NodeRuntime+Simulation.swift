import EventLoop

extension NodeRuntime {
  /// A program's life as a process of a simulated host: reads `arguments` as the program does, runs `body`, waits for
  /// `stop`, drains and answers the exit code. `onStart` gets the runtime first: its `stop` is this process's SIGTERM.
  public static func simulate(
    program: String, options: ConfigurationOptions, arguments: [String],
    onStart: @EventLoopActor (NodeRuntime) -> Void,
    body: @escaping @EventLoopActor @Sendable (NodeRuntime) async throws -> Void
  ) async throws(ConfigurationError) -> Int32 {
    var options = options
    let common = CommonOptions(&options, httpListen: Endpoint(host: "127.0.0.1", port: 0))
    guard case .run(let configuration) = try options.parse(arguments: arguments, environment: [:]) else { return 0 }
    let runtime = NodeRuntime(program: program, configuration: configuration)
    onStart(runtime)
    return await runtime.serve(common, body)
  }
}
