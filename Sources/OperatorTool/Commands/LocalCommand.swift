import EventLoop

/// `theseus local …`: a cluster of processes on this machine.
@EventLoopActor enum LocalCommand {
  private static func directoryFlags(_ verb: String, _ summary: String, positional: String? = nil) -> FlagSet {
    FlagSet("local \(verb)", summary, positional: positional)
      .option("directory", "D", "directory of the cluster")
  }

  static let start =
    directoryFlags("start", "Starts a cluster on loopback, or what of it does not run, and waits until it is ready.")
    .option("meta", "N", default: "3", "replicas of the metadata service")
    .option("storage", "N", default: "3", "storage nodes")
    .option("gateways", "N", default: "2", "SQL gateways")
    .option("acks", "N", default: "1", "ack aggregators")
    .option(
      "port-base", "P", default: "\(LocalCluster.defaultPortBase)", "SQL port of the first gateway; others follow"
    )
    .option("programs", "DIR", "directory of the theseus-… programs (default: beside this one)")

  static let stop = directoryFlags("stop", "Stops every process: SIGTERM, and SIGKILL for what does not end.")
  static let status = directoryFlags("status", "Shows the processes of a local cluster.")
  static let kill = directoryFlags("kill", "Kills one process at once (SIGKILL).", positional: "NAME")
  static let pause = directoryFlags("pause", "Freezes one process (SIGSTOP).", positional: "NAME")
  static let resume = directoryFlags("resume", "Lets a frozen process go on (SIGCONT).", positional: "NAME")
  static let startNode = directoryFlags("start-node", "Starts one process again.", positional: "NAME")
  static let addGateway = directoryFlags("add-gateway", "Adds a SQL gateway to a running local cluster.")

  static let all = [start, stop, status, kill, pause, resume, startNode, addGateway]

  static func run(_ verb: String, _ flags: FlagValues) async throws(ToolError) -> Int32 {
    let directory = try flags.string("directory")
    if verb == "start" { return try await startCluster(directory, flags) }
    let cluster = try LocalCluster.open(directory: directory)
    let name = flags.positional ?? ""
    switch verb {
    case "stop":
      try await cluster.stop()
      Console.line("stopped")
    case "status": return showStatus(cluster)
    case "kill":
      try await cluster.kill(name)
      Console.line("\(name) is killed")
    case "pause":
      try cluster.pause(name)
      Console.line("\(name) is paused")
    case "resume":
      try cluster.resume(name)
      Console.line("\(name) goes on")
    case "start-node":
      try await cluster.start(name)
      Console.line("\(name) runs")
    case "add-gateway":
      let added = try await cluster.addGateway()
      Console.line("\(added.name) serves SQL on \(added.sql.map(\.description) ?? "nowhere")")
    default: throw .usage("theseus local \(verb) is no command; see theseus --help")
    }
    return 0
  }

  private static func startCluster(_ directory: String, _ flags: FlagValues) async throws(ToolError) -> Int32 {
    let cluster = try cluster(in: directory, flags)
    try await cluster.start()
    Console.line("\(cluster.members.count) processes run; see \(cluster.directory)/cluster.json")
    if let sql = cluster.sqlEndpoints.first { Console.line(psqlLine(sql)) }
    return 0
  }

  /// The cluster that is in `directory` already, or a new one as the flags want it.
  private static func cluster(in directory: String, _ flags: FlagValues) throws(ToolError) -> LocalCluster {
    var shape = LocalCluster.Shape()
    shape.metadataReplicas = try flags.integer("meta", in: 1...ClusterMember.Role.metadata.maximumCount)
    shape.storageNodes = try flags.integer("storage", in: 1...ClusterMember.Role.storage.maximumCount)
    shape.gateways = try flags.integer("gateways", in: 0...ClusterMember.Role.gateway.maximumCount)
    shape.ackAggregators = try flags.integer("acks", in: 0...ClusterMember.Role.ack.maximumCount)
    shape.portBase = try flags.integer("port-base", in: 1_024...LocalCluster.maximumPortBase)
    if FileSystem.exists("\(FileSystem.absolute(directory))/cluster.json") {
      return try LocalCluster.open(directory: directory)
    }
    let programs = flags.optional("programs").map { FileSystem.absolute($0) } ?? FileSystem.programDirectory
    try FileSystem.makeDirectory(FileSystem.absolute(directory))
    return try LocalCluster.new(directory: directory, shape: shape, programDirectory: programs)
  }

  static func psqlLine(_ sql: Endpoint) -> String { "psql -h \(sql.host) -p \(sql.port) -U root defaultdb" }

  private static func showStatus(_ cluster: LocalCluster) -> Int32 {
    var rows = [["name", "role", "process", "state", "rpc", "sql", "http", "memory MiB"]]
    var allRun = true
    for member in cluster.members {
      let state = cluster.state(member)
      allRun = allRun && state == .running
      let memory = state == .stopped ? nil : LocalProcess.residentBytes(member.pid)
      rows.append([
        member.name, member.role.rawValue, "\(member.pid)", state.rawValue, "\(member.rpc)",
        member.sql.map(\.description) ?? "", "\(member.http)", memory.map { "\($0 >> 20)" } ?? "",
      ])
    }
    Console.line(Console.table(rows))
    return allRun ? 0 : 1
  }
}
