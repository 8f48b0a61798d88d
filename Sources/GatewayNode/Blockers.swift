import Basics
import ClusterClient
import EventLoop
import RPC
import Wire

/// Who uses tables at an older schema than some index: the sessions of this gateway, and those of others, by asking them.
extension Gateway {
  /// Transactions that one gateway names.
  static let maximumBlockers = 100
  /// Gateways asked at once.
  static let maximumAskedGateways = 100
  /// How long one may take to answer (milliseconds).
  static let blockersMilliseconds: Int64 = 1_000
  static let maximumStatementCharacters = 300

  /// Of this gateway, oldest first.
  func blockers(_ request: BlockersRequest) -> BlockersResponse {
    let tables = Set(request.tableIDs.map { TableID($0) })
    let needed = SchemaIndex(request.schemaIndex)
    let now = EventLoop.now
    var found: [BlockerInfo] = []
    var known: Set<PinRegistry.Pin> = []
    for session in orderedSessions {
      for (pin, since) in session.oldestPins(on: tables) where pin.index < needed {
        known.insert(pin)
        found.append(
          BlockerInfo(
            sessionID: UInt64(session.processID), user: session.userName, clientAddress: session.clientAddress,
            applicationName: session.settings["application_name"],
            statement: String(session.statementText.prefix(Self.maximumStatementCharacters)),
            isInStatement: session.isInStatement, transactionAgeMilliseconds: now.milliseconds(since: since),
            tableID: pin.table.rawValue, heldSchemaIndex: pin.index.rawValue))
      }
    }
    // What no session accounts for is told all the same.
    for pin in cluster.connection.pins.held(below: needed) where tables.contains(pin.table) && !known.contains(pin) {
      found.append(BlockerInfo(tableID: pin.table.rawValue, heldSchemaIndex: pin.index.rawValue))
    }
    found.sort {
      ($1.transactionAgeMilliseconds, $0.sessionID, $0.tableID)
        < ($0.transactionAgeMilliseconds, $1.sessionID, $1.tableID)
    }
    return BlockersResponse(
      blockers: Array(found.prefix(Self.maximumBlockers)), count: UInt32(clamping: found.count))
  }

  enum BlockersAnswer {
    case answered(BlockersResponse)
    case failed(String)
  }

  /// Asks gateways, all at once; who does not answer in time is told as such.
  func blockers(of nodes: [NodeID], _ request: BlockersRequest) async -> [NodeID: BlockersAnswer] {
    var answers: [NodeID: BlockersAnswer] = [:]
    var asked: [(NodeID, RPCChannel)] = []
    for node in Set(nodes).sorted() {
      if node == cluster.connection.nodeID {
        answers[node] = .answered(blockers(request))
      } else if asked.count >= Self.maximumAskedGateways {
        answers[node] = .failed("was not asked: more than \(Self.maximumAskedGateways) gateways")
      } else if let channel = cluster.connection.channel(to: node) {
        asked.append((node, channel))
      } else {
        answers[node] = .failed("its address is not known")
      }
    }
    guard !asked.isEmpty else { return answers }
    let gathering = Gathering<BlockersAnswer>(count: asked.count)
    for (node, channel) in asked {
      channel.call(GatewayService.blockers, request, deadline: .milliseconds(Self.blockersMilliseconds)) { result in
        switch result {
        case .success(let response): gathering.put(node, .answered(response))
        case .failure(let error): gathering.put(node, .failed("does not answer: \(error.message)"))
        }
      }
    }
    answers.merge(await gathering.all()) { $1 }
    return answers
  }
}

extension Session {
  /// For each of `tables` that the session's transaction uses: the oldest use, and when the transaction began.
  func oldestPins(on tables: Set<TableID>) -> [(pin: PinRegistry.Pin, since: MonotonicTime)] {
    if let pin = pointRead?.pin { return tables.contains(pin.table) ? [(pin, statementStart)] : [] }
    guard let transaction = transaction ?? ownTransaction else { return [] }
    return transaction.oldestPins(on: tables).map { ($0, transaction.openedAt ?? statementStart) }
  }
}

/// Answers of several nodes, awaited together.
@EventLoopActor final class Gathering<Answer> {
  private var answers: [NodeID: Answer] = [:]
  private let count: Int
  private var waiter: UnsafeContinuation<Void, Never>?

  /// - Parameter count: how many will come, each exactly once.
  init(count: Int) { self.count = count }

  func put(_ node: NodeID, _ answer: Answer) {
    answers[node] = answer
    guard answers.count == count else { return }
    waiter?.resume()
    waiter = nil
  }

  func all() async -> [NodeID: Answer] {
    if answers.count < count { await withUnsafeContinuation { waiter = $0 } }
    return answers
  }
}
