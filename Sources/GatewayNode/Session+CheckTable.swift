import Basics
import Catalog
import ClusterClient
import EventLoop
import RPC
import SQLValues
import Wire

extension Session {
  /// Compares a table's rows with each of its public secondary indexes at one timestamp.
  func check(_ table: TableDescriptor, _ control: StatementControl) async throws(SQLError) -> [[Datum]] {
    let read = try await gateway.cluster.timestamps.read(deadline: control.callDeadline)
    var rows: [[Datum]] = []
    for index in table.readableIndexes where index.id != table.primaryIndex.id {
      let result = try await validate(table, index, at: read.timestamp, control)
      var isRight = result.rowCount == result.entryCount && result.rowChecksum == result.entryChecksum
      if let error = result.error, !error.state.isEmpty {
        isRight = false
        client.writer.noticeResponse(SQLError(error), severity: .warning)
      }
      rows.append([
        .text(index.name), .integer(Int64(clamping: result.rowCount)), .integer(Int64(clamping: result.entryCount)),
        .boolean(isRight),
      ])
    }
    return rows
  }

  /// Runs at the storage node that leads the table's rows; asks each replica in turn until one does it.
  private func validate(
    _ table: TableDescriptor, _ index: IndexDescriptor, at timestamp: Timestamp, _ control: StatementControl
  ) async throws(SQLError) -> ValidateProgress {
    try await validate(
      ValidateRequest(
        sourceRangeID: table.primaryIndex.rangeID.rawValue, table: table.encodedWithLabels(),
        indexID: index.id.rawValue,
        kind: .index, readTimestamp: timestamp.rawValue), of: table, control)
  }

  /// The last word of the storage node on it, which may be an error.
  func validate(
    _ request: ValidateRequest, of table: TableDescriptor, _ control: StatementControl
  ) async throws(SQLError) -> ValidateProgress {
    let connection = gateway.cluster.connection
    guard let range = connection.range(RangeID(request.sourceRangeID)), !range.replicas.isEmpty else {
      throw SQLError(.undefinedTable, "the rows of table \"\(table.name)\" are not in the range map")
    }
    var target = range.replicas[0]
    var lastError = "no replica answered"
    for attempt in 0..<30 {
      if let reason = control.reason { throw reason }
      var hint: NodeID?
      if let channel = connection.channel(to: target) {
        let stream = channel.openServerStream(BackfillService.validate, request, deadline: nil)
        let watch = Timer.repeating(every: .milliseconds(50)) { if control.isCancelled { stream.cancel() } }
        defer { watch.cancel() }
        do {
          while let progress = try await stream.receive() {
            if progress.leaderNodeID != 0 {
              hint = NodeID(progress.leaderNodeID)
              break
            }
            if progress.isDone || !(progress.error?.state.isEmpty ?? true) { return progress }
          }
        } catch {
          lastError = "\(error)"
        }
        stream.cancel()
      }
      if let hint, hint != target, range.replicas.contains(hint) {
        target = hint
      } else {
        let position = range.replicas.firstIndex(of: target) ?? 0
        target = range.replicas[(position + 1) % range.replicas.count]
        try? await EventLoop.sleep(for: .milliseconds(20 * (attempt + 1)))
      }
    }
    throw SQLError(.cannotConnectNow, "the check could not be run", detail: lastError)
  }
}
