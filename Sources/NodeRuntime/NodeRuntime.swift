import EventLoop
import Glibc

/// What every program of Theseus has around its node: configuration, log, metrics, health, signals.
@EventLoopActor public final class NodeRuntime {
  public nonisolated static let version = "0.1.0"

  public nonisolated let program: String
  public nonisolated let configuration: Configuration
  public nonisolated let metrics = Metrics()
  public nonisolated let log = Logger()
  /// Serves `/healthz` (the process lives), `/readyz` (it serves clients), `/metrics`; more may be added.
  public nonisolated let http = HTTPListener()
  public private(set) var isReady = false
  public private(set) var isDraining = false

  private var drainSteps: [@EventLoopActor () async -> Void] = []
  private var stopWaiter: UnsafeContinuation<Int32, Never>?
  private var stopCode: Int32?

  init(program: String, configuration: Configuration) {
    self.program = program
    self.configuration = configuration
  }

  /// Runs a program on the main thread and never returns: parses the configuration, starts log, HTTP listener and
  /// signal handlers, runs `body` (which sets the node up and returns), then waits for SIGTERM, SIGINT or `stop`, drains
  /// and exits with code 0. Exit code 2: wrong configuration; 1: `body` threw.
  public nonisolated static func run(
    program: String, options: ConfigurationOptions,
    httpListen: Endpoint = Endpoint(host: "127.0.0.1", port: 0),
    body: @escaping @EventLoopActor @Sendable (NodeRuntime) async throws -> Void
  ) -> Never {
    var options = options
    let common = CommonOptions(&options, httpListen: httpListen)
    let configuration = configurationOrExit(program, options)
    if let level = Log.Level(configuration[common.logLevel]) { Log.setLevel(level) }
    let file = configuration[common.logFile]
    if !file.isEmpty, !Log.open(file: file) { fail(program, "cannot write the log file \(file)") }
    let code = EventLoop.run {
      let runtime = NodeRuntime(program: program, configuration: configuration)
      return await runtime.serveUntilSignal(common, body)
    }
    exit(code)
  }

  private nonisolated static func configurationOrExit(_ program: String, _ options: ConfigurationOptions)
    -> Configuration
  {
    var environment: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { environment[String(parts[0])] = String(parts[1]) }
      entry += 1
    }
    do throws(ConfigurationError) {
      switch try options.parse(arguments: Array(CommandLine.arguments.dropFirst()), environment: environment) {
      case .run(let configuration): return configuration
      case .help:
        print(options.help(program: program), terminator: "")
        exit(0)
      case .version:
        print("\(program) \(version)")
        exit(0)
      }
    } catch {
      fail(program, error.description)
    }
  }

  /// One sentence on stderr and exit code 2: for configuration that is found wrong later, too.
  public nonisolated static func fail(_ program: String, _ sentence: String) -> Never {
    var line = "\(program): \(sentence)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(2)
  }

  private func serveUntilSignal(
    _ common: CommonOptions, _ body: @EventLoopActor @Sendable (NodeRuntime) async throws -> Void
  ) async -> Int32 {
    let signals = SignalSource([SIGTERM, SIGINT]) { signal in
      if self.isDraining, signal == SIGINT { exit(130) }
      self.log.info("runtime", "signal received", ["signal": signal == SIGTERM ? "SIGTERM" : "SIGINT"])
      self.stop()
    }
    defer { signals.cancel() }
    return await serve(common, body)
  }

  /// Runs `body`, waits for `stop`, drains; answers the exit code.
  func serve(
    _ common: CommonOptions, _ body: @EventLoopActor @Sendable (NodeRuntime) async throws -> Void
  ) async -> Int32 {
    do {
      addRoutes()
      let endpoint = try http.listen(on: configuration[common.httpListen])
      log.info("runtime", "started", ["program": program, "version": Self.version, "http": "\(endpoint)"])
      try await body(self)
    } catch {
      log.error("runtime", "cannot start", ["error": "\(error)"])
      return 1
    }
    let code =
      if let stopCode { stopCode } else { await withUnsafeContinuation { stopWaiter = $0 } }
    await drain(within: configuration[common.drainTimeout])
    log.info("runtime", "stopped")
    return code
  }

  private func addRoutes() {
    http.route("/healthz") { HTTPResponse("ok\n") }
    http.route("/readyz") { [weak self] in
      guard let self, self.isReady, !self.isDraining else { return HTTPResponse(status: 503, "not ready\n") }
      return HTTPResponse("ready\n")
    }
    http.route("/metrics") { [weak self] in
      HTTPResponse(contentType: "text/plain; version=0.0.4; charset=utf-8", self?.metrics.text() ?? "")
    }
  }

  // MARK: - For nodes

  /// What `/readyz` answers.
  public func setReady(_ ready: Bool) {
    if ready != isReady { log.info("runtime", ready ? "ready" : "not ready") }
    isReady = ready
  }

  /// Adds a step to run before the process ends; the step added last runs first.
  public func onDrain(_ step: @escaping @EventLoopActor () async -> Void) { drainSteps.append(step) }

  /// Ends the program as SIGTERM does.
  public func stop(exitCode: Int32 = 0) {
    if stopCode != nil { return }
    stopCode = exitCode
    stopWaiter?.resume(returning: exitCode)
    stopWaiter = nil
  }

  private func drain(within bound: Duration) async {
    isDraining = true
    let steps = drainSteps.reversed()
    let finished = await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
      var isOver = false
      let timer = Timer.once(after: bound) {
        if isOver { return }
        isOver = true
        continuation.resume(returning: false)
      }
      Task { @EventLoopActor in
        for step in steps { await step() }
        if isOver { return }
        isOver = true
        timer.cancel()
        continuation.resume(returning: true)
      }
    }
    if !finished { log.warning("runtime", "drain cut short", ["after": "\(bound)"]) }
    http.close()
  }
}

/// Options of every program.
struct CommonOptions: Sendable {
  let httpListen: Option<Endpoint>
  let logLevel: Option<String>
  let logFile: Option<String>
  let drainTimeout: Option<Duration>

  init(_ options: inout ConfigurationOptions, httpListen fallback: Endpoint) {
    httpListen = options.endpoint(
      "http-listen", default: fallback, help: "address of /healthz, /readyz and /metrics; port 0 takes a free one")
    logLevel = options.choice(
      "log-level", Log.Level.allCases.map { $0.name.lowercased() }, default: "info", help: "least level of log lines")
    logFile = options.string(
      "log-file", default: "", form: "FILE", help: "file to append log lines to instead of stderr")
    drainTimeout = options.duration(
      "drain-timeout", default: .seconds(10), help: "longest time from SIGTERM to the end of the process")
  }
}
