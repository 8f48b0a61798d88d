import Basics
import EventLoop
import Glibc
import Raft
import RocksEngine

@testable import Replication

/// A directory that is removed with its last reference.
final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/theseus-replication-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("no temporary directory") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    removeTree(path)
  }
}

private func removeTree(_ path: String) {
  guard let directory = opendir(path) else {
    unlink(path)
    return
  }
  while let item = readdir(directory) {
    let name = withUnsafePointer(to: &item.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { removeTree("\(path)/\(name)") }
  }
  closedir(directory)
  rmdir(path)
}

/// Counts commands and remembers the last one, in the database; the count before each command is its result.
@EventLoopActor final class CountingMachine: ReplicatedStateMachine {
  let group: RangeID
  let database: RocksDatabase
  let family: ColumnFamily
  var leaderTerms: [UInt64] = []
  var losses = 0
  var restores = 0
  var applied: [UInt64] = []
  var chunkBytes = 200

  init(group: RangeID, database: RocksDatabase) {
    self.group = group
    self.database = database
    family = database.columnFamily("data")
  }

  private var prefix: [UInt8] { [UInt8(truncatingIfNeeded: group.rawValue)] }
  private func key(_ number: Int) -> [UInt8] { prefix + Array("row \(1_000_000 + number)".utf8) }
  private var countKey: [UInt8] { prefix + Array("count".utf8) }

  var count: Int {
    guard let bytes = try? database.get(countKey, in: family) else { return 0 }
    return Int(String(decoding: bytes, as: UTF8.self)) ?? -1
  }

  var rows: [[UInt8]] {
    let iterator = database.iterator(in: family, from: prefix + Array("row".utf8), to: prefix + Array("rox".utf8))
    var rows: [[UInt8]] = []
    iterator.seekToFirst()
    while iterator.isValid {
      rows.append(iterator.value)
      iterator.next()
    }
    return rows
  }

  func apply(_ entry: CommittedEntry, into batch: WriteBatch) throws -> (any Sendable)? {
    try batch.makeVisible()
    let before = count
    applied.append(entry.index)
    batch.put(countKey, Array(String(before + 1).utf8), in: family)
    batch.put(key(before), entry.command, in: family)
    return before
  }

  func becameLeader(term: UInt64) { leaderTerms.append(term) }
  func lostLeadership() { losses += 1 }

  func makeSnapshot() throws -> any SnapshotSource { RowsSource(rows, chunkBytes) }

  func restoreBegan(into batch: WriteBatch) throws {
    restores += 1
    batch.deleteRange(from: prefix, to: [prefix[0] + 1], in: family)
    batch.put(countKey, Array("0".utf8), in: family)
  }

  func restore(_ chunk: [UInt8], into batch: WriteBatch) throws {
    var reader = ByteReader(chunk)
    var number = count
    while !reader.isAtEnd {
      batch.put(key(number), Array(try reader.readBytes()), in: family)
      number += 1
    }
    batch.put(countKey, Array(String(number).utf8), in: family)
  }

  func restoreFinished() throws {}
}

@EventLoopActor final class RowsSource: SnapshotSource {
  private var rows: [[UInt8]]
  private let chunkBytes: Int

  init(_ rows: [[UInt8]], _ chunkBytes: Int) {
    self.rows = rows.reversed()
    self.chunkBytes = chunkBytes
  }

  func nextChunk() throws -> [UInt8]? {
    if rows.isEmpty { return nil }
    var writer = ByteWriter()
    while let row = rows.popLast() {
      writer.writeBytes(row)
      if writer.bytes.count >= chunkBytes { break }
    }
    return writer.bytes
  }
}

/// Hosts in one process, each with a directory and one end of a network in memory.
@EventLoopActor final class TestCluster {
  @EventLoopActor final class Member {
    let node: NodeID
    var directory = TemporaryDirectory()
    var database: RocksDatabase?
    var host: ReplicationHost?
    var machines: [RangeID: CountingMachine] = [:]

    init(node: NodeID) { self.node = node }
  }

  let network = MemoryNetwork()
  let members: [Member]
  let groups: [RangeID]
  var options: ReplicationOptions
  private var starts: UInt64 = 0

  private let transports: [any RaftTransport]?

  /// - Parameter transports: instead of the network in memory; such a cluster cannot restart members.
  init(
    nodes: Int = 3, groups: Int = 1, transports: [any RaftTransport]? = nil,
    _ change: (inout ReplicationOptions) -> Void = { _ in }
  ) throws {
    var options = ReplicationOptions()
    options.tickIntervalMilliseconds = 10
    options.raft.electionTimeoutMinimumMilliseconds = 150
    options.raft.electionTimeoutMaximumMilliseconds = 300
    options.raft.heartbeatIntervalMilliseconds = 30
    options.raft.lostLeaderTimeoutMaximumMilliseconds = 100
    options.raft.quiesceAfterMilliseconds = nil
    change(&options)
    self.options = options
    self.transports = transports
    members = (1...UInt64(nodes)).map { Member(node: NodeID($0)) }
    self.groups = (1...UInt64(groups)).map { RangeID($0) }
    for member in members { try start(member) }
  }

  var nodes: [NodeID] { members.map(\.node) }

  func start(_ member: Member) throws {
    starts += 1
    let database = try RocksDatabase.open(
      member.directory.path, columnFamilies: [ColumnFamilyOptions("raft"), ColumnFamilyOptions("data")])
    let host = ReplicationHost(
      node: member.node, database: database, logFamily: database.columnFamily("raft"),
      transport: transports?[Int(member.node.rawValue) - 1] ?? network.transport(for: member.node), options: options,
      seed: starts)
    member.database = database
    member.host = host
    member.machines = [:]
    for group in try host.open() {
      let machine = CountingMachine(group: group, database: database)
      member.machines[group] = machine
      try host.attach(group, stateMachine: machine)
    }
    for group in groups where member.machines[group] == nil {
      let machine = CountingMachine(group: group, database: database)
      member.machines[group] = machine
      try host.createGroup(group, members: nodes, stateMachine: machine, preferredLeader: nodes[0])
    }
    host.start()
  }

  /// The process is gone; its directory stays as it is.
  func kill(_ member: Member) async {
    guard let host = member.host else { return }
    host.fail(.other("killed"))
    await until("the end of the fsync") { !host.committer.isSyncing }
    member.database?.close()
    member.host = nil
    member.machines = [:]
    member.database = nil
  }

  func stop() async {
    for member in members where member.host != nil { await kill(member) }
  }

  func leader(of group: RangeID = RangeID(1)) async -> Member {
    var found: Member?
    await until("a leader") {
      found = members.first { $0.host?.leadership(of: group)?.isReady == true }
      return found != nil
    }
    return found ?? members[0]
  }

  func followers(of group: RangeID = RangeID(1)) async -> [Member] {
    let leader = await leader(of: group)
    return members.filter { $0.node != leader.node }
  }

  /// Proposes to whoever leads until it is applied.
  @discardableResult
  func propose(_ text: String, _ group: RangeID = RangeID(1)) async throws -> ProposalOutcome {
    while true {
      let leader = await leader(of: group)
      do throws(ReplicationError) {
        guard let host = leader.host else { continue }
        return try await host.propose(group, Array(text.utf8))
      } catch {
        switch error {
        case .notLeader, .proposalDropped, .busy: try await EventLoop.sleep(for: .milliseconds(5))
        case .outcomeUnknown, .tooLarge, .shuttingDown, .unknownGroup, .storageFailed: throw error
        }
      }
    }
  }

  /// Polls for a state that the code under test reaches by itself; the test's time limit bounds it.
  func until(_ what: String, _ condition: () -> Bool) async {
    while !condition() {
      do { try await EventLoop.sleep(for: .milliseconds(2)) } catch { return }
    }
  }

  func everywhere(_ count: Int, _ group: RangeID = RangeID(1)) async {
    await until("\(count) commands everywhere") {
      members.allSatisfy { $0.host == nil || $0.machines[group]?.count == count }
    }
  }
}
