import Basics
import Catalog
import ClusterClient
import EventLoop
import NodeRuntime
import PostgresProtocol
import SQLExpressions
import SQLSyntax
import SQLValues

/// One client's session: handles its messages one after the other.
@EventLoopActor final class Session {
  let gateway: Gateway
  let client: ClientConnection
  let processID: UInt32
  let secretKey: UInt32
  let clientAddress: String

  var settings = SessionSettings()
  var userName = "root"
  /// Whatever its name is by now.
  var databaseID = DatabaseID.defaultDatabase
  /// When the session began.
  var databaseNameAtStart = "defaultdb"

  // Transaction.
  var block = TransactionBlock()
  var transaction: Transaction?
  /// Of the running statement, where that is a transaction of its own.
  var ownTransaction: Transaction?
  /// Statements run in the current transaction.
  var statementsInTransaction = 0
  var settingsCheckpoint: SessionSettings.Checkpoint?
  var savepoints: [Savepoint] = []
  /// Set once the block has changed the schema.
  var transactionSchema: TransactionSchema?
  /// Whether the operation id that the client has named was looked up for the block's first write.
  var hasLookedUpOperation = false
  var transactionModes = TransactionModes()
  /// Microseconds since 2000, what `now()` answers in this transaction.
  var transactionTime: Int64 = 0

  var sequences = SessionSequences()
  var searchPath = SearchPath("")

  // Extended protocol.
  var statements: [String: NamedStatement] = [:]
  var portals: [String: Portal] = [:]
  var isSkippingToSync = false

  // The running statement.
  /// Set while a point read runs without the message loop.
  var pointRead: PointReadRun?
  private(set) var control: StatementControl?
  private var timeoutTimer: Timer?
  var statementText = ""
  /// It is one of several in one query string, which stand or fall together.
  var isAmongOthers = false
  var statementStart = MonotonicTime(nanoseconds: 0)
  /// The server wants this session to end: as soon as its statement is over.
  var endRequest: SQLError?

  struct Savepoint {
    let name: String
    let mark: Transaction.Mark
    let schema: TransactionSchema?
  }

  /// A statement by name; nil stands for a blank query string.
  struct NamedStatement {
    let prepared: PreparedStatement?
    let textBytes: Int
    /// The setting under which its names were found.
    let searchPath: String
  }

  /// Prepared statements and portals of one session, each at most.
  static let maximumNamedObjects = 10_000

  init(_ gateway: Gateway, _ client: ClientConnection, processID: UInt32, secretKey: UInt32) {
    self.gateway = gateway
    self.client = client
    self.processID = processID
    self.secretKey = secretKey
    clientAddress = client.connection.remoteEndpoint?.description ?? ""
  }

  // MARK: - Message loop

  /// Serves the client until it leaves or is sent away.
  func serve() async {
    client.onInput = { [weak self] in self?.serveAtOnce() ?? .needsReader }
    while let event = await nextEvent() {
      switch event {
      case .startup:
        client.close(SQLError(.protocolViolation, "unexpected startup message"))
        return end()
      case .fatal(let error):
        client.close(error)
        return end()
      case .statementError(let error, let isExtended):
        if isExtended {
          if !isSkippingToSync { await failExtended(error) }
        } else {
          await failSimple(error)
        }
      case .message(.terminate):
        client.close("the client said goodbye")
        return end()
      case .message(let message):
        if isSkippingToSync, message != .sync { continue }
        await handle(message)
      }
      if client.isClosed { break }
      if let endRequest, !isInStatement, client.peekEvent() == nil {
        client.close(endRequest)
        break
      }
    }
    end()
  }

  /// The client's next message; nil once it has left or was idle for longer than it may be.
  private func nextEvent() async -> FrontendDecoder.Event? {
    let patience =
      block.isOpen ? settings.idleInTransactionTimeoutMilliseconds : settings.idleSessionTimeoutMilliseconds
    guard patience > 0, client.peekEvent() == nil else { return await client.nextEvent() }
    let error =
      block.isOpen
      ? SQLError(.idleInTransactionSessionTimeout, "terminating connection due to idle-in-transaction timeout")
      : SQLError(.idleSessionTimeout, "terminating connection due to idle-session timeout")
    let timer = Timer.once(after: .milliseconds(Int64(clamping: patience))) { [client] in client.close(error) }
    defer { timer.cancel() }
    return await client.nextEvent()
  }

  private func handle(_ message: FrontendMessage) async {
    switch message {
    case .query(let text): await simpleQuery(text)
    case .parse, .bind, .describe, .execute:
      do throws(SQLError) {
        try await runExtended(message)
        if client.isChunkFull { await client.flushed() }
      } catch {
        await failExtended(error)
      }
    case .close(let target):
      close(target)
      client.writer.closeComplete()
    case .sync: await sync()
    case .flush: await client.flushed()
    case .functionCall:
      await failSimple(SQLError.unsupported("the function call protocol"))
    case .terminate, .copyData, .copyDone, .copyFail: break
    case .password:
      client.close(SQLError(.protocolViolation, "unexpected password message"))
    }
  }

  private func runExtended(_ message: FrontendMessage) async throws(SQLError) {
    switch message {
    case .parse(let parse): try await self.parse(parse)
    case .bind(let bind): try await bindKnowingLabels(bind)
    case .describe(let target): try describe(target)
    case .execute(let portal, let limit): try await execute(portal, rowLimit: limit)
    default: break
    }
  }

  func failExtended(_ error: SQLError) async {
    isSkippingToSync = true
    await failTransaction()
    client.writer.errorResponse(error)
    gateway.metrics.failed(error)
  }

  func failSimple(_ error: SQLError) async {
    await failTransaction()
    client.writer.errorResponse(error)
    gateway.metrics.failed(error)
    await readyForQuery()
  }

  func readyForQuery() async {
    client.writer.readyForQuery(block.statusByte)
    await client.flushed()
  }

  /// The connection is over, whatever the reason.
  private func end() {
    transaction?.rollback()
    transaction = nil
    portals = [:]
    statements = [:]
    gateway.ended(self)
  }

  /// The name that its database has now; one that is gone keeps the name that the client knows.
  var databaseName: String {
    gateway.cluster.connection.history?.latest.database(id: databaseID)?.name ?? databaseNameAtStart
  }

  // MARK: - The running statement

  var isInStatement: Bool { control != nil }

  /// Sets up what can end the statement early. The caller must call `endStatement`.
  func beginStatement(_ text: String) -> StatementControl {
    let now = EventLoop.now
    let timeout = settings.statementTimeoutMilliseconds
    let control = StatementControl(
      deadline: now.advanced(byMilliseconds: timeout > 0 ? timeout : Self.unlimitedMilliseconds),
      lockTimeoutMilliseconds: settings.lockTimeoutMilliseconds)
    if timeout > 0 {
      timeoutTimer = Timer.once(after: .milliseconds(Int64(timeout))) { [weak control] in
        control?.cancel(StatementControl.statementTimeout)
      }
    }
    self.control = control
    statementText = text
    statementStart = now
    return control
  }

  static let unlimitedMilliseconds: UInt64 = 30 * 86_400_000

  func endStatement() {
    if control != nil, statementText.utf8.count >= FreedMemory.statementBytes { gateway.freedMemory.giveBack() }
    control = nil
    timeoutTimer?.cancel()
    timeoutTimer = nil
  }

  /// CancelRequest: harmless when nothing runs.
  func cancelRequested() {
    control?.cancel(SQLError(.queryCanceled, "canceling statement due to user request"))
  }

  func clientLeft() {
    control?.cancel(SQLError(.queryCanceled, "the client has gone"))
  }

  /// The gateway shuts down or lost its session: idle sessions end at once, others after their statement.
  func requestEnd(_ error: SQLError, isImmediate: Bool) {
    endRequest = error
    if isInStatement {
      if isImmediate { control?.cancel(error) }
    } else if isImmediate || !block.isOpen {
      client.close(error)
    }
  }
}
