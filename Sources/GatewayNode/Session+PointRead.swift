import Basics
import Catalog
import ClusterClient
import EventLoop
import PostgresProtocol
import SQLValues
import Wire

/// A point read under way.
@EventLoopActor final class PointReadRun {
  let read: PointRead
  let key: [UInt8]
  let prepared: PreparedStatement
  let portal: Portal
  /// To run the statement in the message loop, should anything be unusual.
  let message: FrontendMessage
  let control: StatementControl
  var pin: PinRegistry.Pin?

  init(
    _ read: PointRead, key: [UInt8], prepared: PreparedStatement, portal: Portal, message: FrontendMessage,
    control: StatementControl
  ) {
    self.read = read
    self.key = key
    self.prepared = prepared
    self.portal = portal
    self.message = message
    self.control = control
  }
}

/// Point reads without the message loop's task: by callbacks, from the bytes of the message to the bytes of the answer.
/// A suspended task costs more than the read itself.
///
/// Happy path: while the loop waits for input, `serveAtOnce` binds, executes and syncs; an execution gets a read timestamp,
/// checks that the plan holds at it, pins the table, gets the key, writes the row. Whatever is unusual (a newer schema, a
/// lock in the way, a statement of another kind) goes to the loop, which handles the same message from its beginning:
/// nothing has been answered by then.
extension Session {
  /// Handles what needs no waiting.
  func serveAtOnce() -> ClientConnection.InputOutcome {
    while pointRead == nil {
      if isSkippingToSync || endRequest != nil || client.isClosed { return .needsReader }
      guard let event = client.peekEvent() else {
        client.resumeInput()
        return .needsMore
      }
      guard case .message(let message) = event, handleAtOnce(message) else { return .needsReader }
    }
    return .busy
  }

  private func handleAtOnce(_ message: FrontendMessage) -> Bool {
    switch message {
    case .bind(let bind):
      do throws(SQLError) { try self.bind(bind) } catch { return false }
    case .describe(let target):
      guard !client.isChunkFull else { return false }
      do throws(SQLError) { try describe(target) } catch { return false }
    case .execute(let portal, let limit):
      // Alone up to Sync, so that it is a transaction of its own.
      guard limit == 0, client.isSyncNext else { return false }
      return startPointRead(portal, message)
    case .sync:
      guard block.state == .idle, client.connection.isWritable else { return false }
      client.writer.readyForQuery(block.statusByte)
      client.flush()
    default: return false
    }
    client.dropEvent()
    return true
  }

  private func startPointRead(_ name: String, _ message: FrontendMessage) -> Bool {
    guard block.state == .idle, settings.statementTimeoutMilliseconds == 0,
      settings.idleSessionTimeoutMilliseconds == 0, let portal = portals[name],
      case .bound = portal.progress, let prepared = portal.statement, portal.planNumber == prepared.planNumber,
      prepared.parsed.asOf == nil, let read = prepared.pointRead, let key = read.key(portal.parameters)
    else { return false }
    client.dropEvent()
    let control = beginStatement(prepared.parsed.text)
    let run = PointReadRun(read, key: key, prepared: prepared, portal: portal, message: message, control: control)
    pointRead = run
    control.whenCancelled { [weak self] reason in self?.failPointRead(run, reason) }
    gateway.cluster.timestamps.read(deadline: control.callDeadline) { [self] result in
      guard pointRead === run else { return }
      switch result {
      case .success(let read): get(run, at: read.timestamp)
      case .failure(let error): failPointRead(run, error)
      }
    }
    return true
  }

  /// The plan must hold in the catalog as of the timestamp; this path knows the newest catalog only.
  private func get(_ run: PointReadRun, at timestamp: Timestamp) {
    let connection = gateway.cluster.connection
    guard let newest = connection.newestCatalog, newest.timestamp <= timestamp,
      run.portal.planNumber == run.prepared.planNumber,
      run.prepared.holds(at: newest.index, { connection.history?.latest })
    else { return leavePointRead(run) }
    let pin = PinRegistry.Pin(table: run.read.table, index: newest.index)
    connection.pins.pin(pin)
    run.pin = pin
    let request = GetRequest(
      readTimestamp: timestamp.rawValue, keys: [run.key], ownStartTimestamp: timestamp.rawValue)
    gateway.cluster.ranges.call(
      RangeService.get, range: run.read.range, request, deadline: run.control.callDeadline
    ) { [self] (result: Result<GetResponse, RangeCallFailure>) in
      guard pointRead === run else { return }
      switch result {
      case .failure(let failure): failPointRead(run, Transaction.readError(failure))
      case .success(let response):
        guard (response.error?.kind ?? .ok) == .ok, response.results.count == 1 else { return leavePointRead(run) }
        finish(run, response.results[0])
      }
    }
  }

  private func finish(_ run: PointReadRun, _ result: GetResult) {
    if result.isPresent {
      // The usual way reads the row again, and tells the client what is wrong with it.
      guard let row = try? run.read.row(result.value) else { return leavePointRead(run) }
      RowOutput.write(row, types: run.read.types, formats: run.portal.resultFormats, to: &client.writer)
    }
    let tag = result.isPresent ? "SELECT 1" : "SELECT 0"
    client.writer.commandComplete(tag)
    run.portal.progress = .finished(tag: tag)
    gateway.metrics.executed(since: statementStart)
    end(run)
    goOn()
  }

  /// As the message loop answers an error of an extended message outside of a transaction.
  private func failPointRead(_ run: PointReadRun, _ error: SQLError) {
    guard pointRead === run else { return }
    end(run)
    isSkippingToSync = true
    client.writer.errorResponse(error)
    gateway.metrics.failed(error)
    goOn()
  }

  /// The message loop runs the statement from its beginning.
  private func leavePointRead(_ run: PointReadRun) {
    end(run)
    client.putBack(.message(run.message))
    client.wakeReader()
  }

  private func end(_ run: PointReadRun) {
    if let pin = run.pin { gateway.cluster.connection.pins.unpin(pin) }
    run.pin = nil
    pointRead = nil
    endStatement()
  }

  private func goOn() {
    if let endRequest, client.peekEvent() == nil { return client.close(endRequest) }
    if serveAtOnce() == .needsReader { client.wakeReader() }
  }
}
