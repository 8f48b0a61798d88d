import Basics
import EventLoop
import Glibc

/// A cluster of real processes on loopback, kept in one directory:
///
///     cluster.json   what runs where
///     data/NAME      the durable state of a process
///     logs/NAME.log  what it said
///     run/NAME.pid   the number of its process
@EventLoopActor final class LocalCluster {
  struct Shape: Hashable, Sendable {
    var metadataReplicas = 3
    var storageNodes = 3
    var gateways = 2
    var ackAggregators = 1
    /// `defaultPortBase` and upwards; every role has its own hundred.
    var portBase = LocalCluster.defaultPortBase

    func count(_ role: ClusterMember.Role) -> Int {
      switch role {
      case .metadata: metadataReplicas
      case .storage: storageNodes
      case .gateway: gateways
      case .ack: ackAggregators
      }
    }
  }

  nonisolated static let defaultPortBase = 26_257
  nonisolated static let maximumPortBase = 65_000
  static let host = "127.0.0.1"
  static let readinessTimeout = Duration.seconds(60)
  static let portTimeout = Duration.seconds(3)
  /// Between SIGTERM and SIGKILL.
  static let stopTimeout = Duration.seconds(20)

  let directory: String
  private(set) var members: [ClusterMember]

  private init(directory: String, members: [ClusterMember]) {
    self.directory = directory
    self.members = members
  }

  // MARK: - Description on disk

  /// Lays out a new cluster; nothing is started or written yet.
  static func new(directory: String, shape: Shape, programDirectory: String) throws(ToolError) -> LocalCluster {
    let cluster = LocalCluster(directory: FileSystem.absolute(directory), members: [])
    for role in ClusterMember.Role.allCases {
      for index in 0..<shape.count(role) {
        cluster.members.append(
          try cluster.member(role, index + 1, portBase: shape.portBase, programDirectory: programDirectory))
      }
    }
    for index in cluster.members.indices { cluster.members[index].arguments += cluster.metadataFlag }
    return cluster
  }

  static func open(directory: String) throws(ToolError) -> LocalCluster {
    let directory = FileSystem.absolute(directory)
    let path = "\(directory)/cluster.json"
    guard FileSystem.exists(path) else {
      throw ToolError("there is no cluster in \(directory): cluster.json is missing")
    }
    let description = try ClusterDescription(decoding: try FileSystem.read(path))
    return LocalCluster(directory: directory, members: description.members)
  }

  func save() throws(ToolError) {
    try FileSystem.write(ClusterDescription(members: members).text, to: "\(directory)/cluster.json")
  }

  private func member(
    _ role: ClusterMember.Role, _ number: Int, portBase: Int, programDirectory: String
  ) throws(ToolError) -> ClusterMember {
    let name = "\(role.rawValue)-\(number)"
    let rpc = try Self.endpoint(portBase + role.portOffset + 2 * (number - 1))
    let http = try Self.endpoint(portBase + role.portOffset + 2 * (number - 1) + 1)
    var arguments = [
      "\(programDirectory)/\(role.program)", "--node-id", "\(role.firstNodeID + number - 1)", "--name", name,
      "--rpc-listen", "\(rpc)", "--http-listen", "\(http)",
    ]
    var sql: Endpoint?
    switch role {
    case .metadata, .storage: arguments += ["--data-directory", "\(directory)/data/\(name)"]
    case .gateway:
      let endpoint = try Self.endpoint(portBase + number - 1)
      sql = endpoint
      arguments += ["--sql-listen", "\(endpoint)"]
    case .ack: break
    }
    return ClusterMember(name: name, role: role, pid: 0, rpc: rpc, sql: sql, http: http, arguments: arguments)
  }

  private static func endpoint(_ port: Int) throws(ToolError) -> Endpoint {
    guard let port = UInt16(exactly: port), port > 0 else { throw .usage("port \(port) is out of range") }
    return Endpoint(host: host, port: port)
  }

  private var metadataFlag: [String] {
    ["--metadata", metadataEndpoints.map(\.description).joined(separator: ",")]
  }

  var metadataEndpoints: [Endpoint] { members.filter { $0.role == .metadata }.map(\.rpc) }
  var sqlEndpoints: [Endpoint] { members.compactMap(\.sql) }

  func member(_ name: String) throws(ToolError) -> ClusterMember {
    guard let member = members.first(where: { $0.name == name }) else {
      let known = members.map(\.name).joined(separator: ", ")
      throw .usage("there is no process \"\(name)\" in \(directory); known are \(known)")
    }
    return member
  }

  func state(_ member: ClusterMember) -> LocalProcess.State {
    LocalProcess.state(of: member.pid, running: member.arguments)
  }

  // MARK: - Starting

  /// Starts every process that does not run and waits until all are ready.
  func start() async throws(ToolError) {
    let stopped = members.filter { state($0) == .stopped }
    for member in stopped { try await checkPorts(member) }
    for member in stopped { try spawn(member.name) }
    try save()
    try await waitUntilReady(members.map(\.name))
  }

  /// Starts one process again with the arguments it had.
  func start(_ name: String) async throws(ToolError) {
    let member = try member(name)
    guard state(member) == .stopped else { throw ToolError("\(name) runs already (process \(member.pid))") }
    try await checkPorts(member)
    try spawn(name)
    try save()
    try await waitUntilReady([name])
  }

  func addGateway() async throws(ToolError) -> ClusterMember {
    let gateways = members.filter { $0.role == .gateway }
    guard let model = gateways.first, let sql = model.sql else { throw ToolError("the cluster has no gateway to copy") }
    let number = (gateways.compactMap { Int($0.name.split(separator: "-").last ?? "") }.max() ?? 0) + 1
    guard number <= ClusterMember.Role.gateway.maximumCount else {
      throw ToolError("a local cluster has at most \(ClusterMember.Role.gateway.maximumCount) gateways")
    }
    let programDirectory = model.arguments.first.flatMap { path in path.lastIndex(of: "/").map { String(path[..<$0]) } }
    let firstNumber = Int(model.name.split(separator: "-").last ?? "") ?? 1
    var added = try member(
      .gateway, number, portBase: Int(sql.port) - (firstNumber - 1),
      programDirectory: programDirectory ?? FileSystem.programDirectory)
    added.arguments += metadataFlag
    try await checkPorts(added)
    members.append(added)
    try spawn(added.name)
    try save()
    try await waitUntilReady([added.name])
    return try member(added.name)
  }

  private func spawn(_ name: String) throws(ToolError) {
    guard let index = members.firstIndex(where: { $0.name == name }) else { return }
    let member = members[index]
    guard let program = member.arguments.first, FileSystem.isExecutable(program) else {
      throw ToolError("the program \(member.arguments.first ?? member.role.program) is missing: build it first")
    }
    for folder in ["logs", "run", "data/\(name)"] { try FileSystem.makeDirectory("\(directory)/\(folder)") }
    members[index].pid = try LocalProcess.spawn(member.arguments, logPath: "\(directory)/logs/\(name).log")
    try FileSystem.write("\(members[index].pid)\n", to: "\(directory)/run/\(name).pid")
  }

  /// A process that was killed a moment ago may hold its ports a little longer, so an answer may take a while.
  private func checkPorts(_ member: ClusterMember) async throws(ToolError) {
    let deadline = EventLoop.now.advanced(byMilliseconds: Self.portTimeout.wholeMilliseconds)
    for endpoint in [member.rpc, member.http] + (member.sql.map { [$0] } ?? []) {
      while !isFree(endpoint) {
        guard EventLoop.now < deadline else {
          throw ToolError("\(member.name) needs \(endpoint), which is in use: choose another --port-base")
        }
        try? await EventLoop.sleep(for: .milliseconds(50))
      }
    }
  }

  private func isFree(_ endpoint: Endpoint) -> Bool {
    do {
      try TCPListener(host: endpoint.host, port: endpoint.port) { $0.close("checking the port") }.close()
      return true
    } catch {
      return false
    }
  }

  private func waitUntilReady(_ names: [String]) async throws(ToolError) {
    let deadline = EventLoop.now.advanced(byMilliseconds: Self.readinessTimeout.wholeMilliseconds)
    var waiting = names
    while !waiting.isEmpty {
      LocalProcess.reap()
      var still: [String] = []
      for name in waiting {
        let member = try member(name)
        guard state(member) != .stopped else { throw ToolError("\(name) ended while it started" + lastWords(name)) }
        if await HTTPProbe.status(member.http, path: "/readyz") != 200 { still.append(name) }
      }
      waiting = still
      if waiting.isEmpty { return }
      guard EventLoop.now < deadline else {
        let seconds = Self.readinessTimeout.components.seconds
        throw ToolError("not ready after \(seconds) s: \(waiting.joined(separator: ", "))" + lastWords(waiting[0]))
      }
      try? await EventLoop.sleep(for: .milliseconds(100))
    }
  }

  /// The end of a process's log, for error messages.
  func lastWords(_ name: String) -> String {
    guard let log = try? FileSystem.read("\(directory)/logs/\(name).log") else { return "" }
    let lines = String(decoding: log.suffix(2_000), as: UTF8.self).split(separator: "\n").suffix(5)
    return lines.isEmpty ? "" : "; its log ends:\n  " + lines.joined(separator: "\n  ")
  }

  // MARK: - Stopping and disturbing

  /// SIGTERM to all, gateways first and the metadata service last; SIGKILL to what is still there after `stopTimeout`.
  func stop() async throws(ToolError) {
    for roles in [[ClusterMember.Role.gateway], [.ack, .storage], [.metadata]] {
      let leaving = members.filter { roles.contains($0.role) && state($0) != .stopped }
      for member in leaving {
        if state(member) == .paused { LocalProcess.signal(SIGCONT, member.pid) }
        LocalProcess.signal(SIGTERM, member.pid)
      }
      await waitUntilGone(leaving, within: Self.stopTimeout)
      let stubborn = leaving.filter { state($0) != .stopped }
      for member in stubborn { LocalProcess.signal(SIGKILL, member.pid) }
      await waitUntilGone(stubborn, within: .seconds(5))
      for member in leaving { FileSystem.remove("\(directory)/run/\(member.name).pid") }
    }
  }

  func kill(_ name: String) async throws(ToolError) {
    let member = try running(name)
    LocalProcess.signal(SIGKILL, member.pid)
    await waitUntilGone([member], within: .seconds(10))
    FileSystem.remove("\(directory)/run/\(name).pid")
  }

  /// Kills a process and forgets it.
  func remove(_ name: String) async throws(ToolError) {
    try await kill(name)
    members.removeAll { $0.name == name }
    try save()
  }

  func pause(_ name: String) throws(ToolError) { LocalProcess.signal(SIGSTOP, try running(name).pid) }
  func resume(_ name: String) throws(ToolError) { LocalProcess.signal(SIGCONT, try running(name).pid) }

  private func running(_ name: String) throws(ToolError) -> ClusterMember {
    let member = try member(name)
    guard state(member) != .stopped else { throw ToolError("\(name) does not run") }
    return member
  }

  private func waitUntilGone(_ gone: [ClusterMember], within timeout: Duration) async {
    let deadline = EventLoop.now.advanced(byMilliseconds: timeout.wholeMilliseconds)
    while EventLoop.now < deadline {
      LocalProcess.reap()
      if gone.allSatisfy({ state($0) == .stopped }) { return }
      try? await EventLoop.sleep(for: .milliseconds(20))
    }
  }
}
