import Basics
import Catalog
import ClusterClient
import EventLoop
import SQLExpressions
import SQLPlanner
import SQLValues
import SchemaChange

/// What `currval` and `lastval` answer.
struct SessionSequences {
  var values: [TableID: Int64] = [:]
  var last: TableID?

  /// Numbers of a block's own sequences stand for others in the next block.
  mutating func endTransaction() {
    guard values.keys.contains(where: SchemaDraft.isProvisional) else { return }
    values = values.filter { !SchemaDraft.isProvisional($0.key) }
    if last.map(SchemaDraft.isProvisional) ?? false { last = nil }
  }
}

extension Session {
  /// A sequence function of a statement that sees `snapshot`.
  func value(
    of call: SequenceCall, _ snapshot: ReadSnapshot, isReadOnly: Bool, _ control: StatementControl
  ) async throws(TransactionFault) -> Datum {
    do throws(SQLError) {
      switch call {
      case .current(let reference):
        let sequence = try self.sequence(reference, in: snapshot.catalog)
        guard let value = sequences.values[sequence.id] else {
          throw SQLError(
            .objectNotInPrerequisiteState,
            "currval of sequence \"\(sequence.name)\" is not yet defined in this session")
        }
        return .integer(value)
      case .last:
        guard let last = sequences.last, snapshot.catalog.table(id: last)?.state == .public,
          let value = sequences.values[last]
        else {
          throw SQLError(.objectNotInPrerequisiteState, "lastval is not yet defined in this session")
        }
        return .integer(value)
      case .next, .set:
        if isReadOnly {
          throw SQLError(
            .readOnlyTransaction, "cannot execute \(call.name)() in a read-only transaction")
        }
      }
    } catch {
      throw .failed(error)
    }
    switch call {
    case .set(let reference, let value, let isCalled):
      do throws(SQLError) {
        let sequence = try self.sequence(reference, in: snapshot.catalog)
        let schema = (transactionSchema?.catalog ?? snapshot.catalog).schemaName(of: sequence)
        try await set(sequence, in: schema, to: value, isCalled: isCalled, snapshot, control)
        return .integer(value)
      } catch {
        throw .failed(error)
      }
    case .next(let reference):
      let sequence: TableDescriptor
      do throws(SQLError) { sequence = try self.sequence(reference, in: snapshot.catalog) } catch {
        throw .failed(error)
      }
      let value =
        SchemaDraft.isProvisional(sequence.id)
        ? try ownNext(sequence)
        : try await gateway.sequences.next(
          sequence.id, version: sequence.version, commitPatience: gateway.options.commitPatienceMilliseconds, control)
      sequences.values[sequence.id] = value
      sequences.last = sequence.id
      return .integer(value)
    case .current, .last: return .null
    }
  }

  /// Of a sequence that the open block creates: its counter is one of the block's rows.
  private func ownNext(_ table: TableDescriptor) throws(TransactionFault) -> Int64 {
    guard let transaction else {
      throw .failed(SQLError(.internalError, "sequence \"\(table.name)\" is not of this transaction"))
    }
    guard transactionSchema?.draft.fillsRows(from: table.id) != true else {
      throw .failed(
        SQLError.unsupported(
          "values of a sequence that rows of before take theirs from, in the transaction that creates it"))
    }
    var block = try takeOwn(1, of: table, in: transaction)
    guard let value = block.take() else {
      throw .failed(SQLError(.internalError, "an empty block was taken of sequence \"\(table.name)\""))
    }
    return value
  }

  private func sequence(
    _ reference: SequenceReference, in catalog: CatalogView
  ) throws(SQLError) -> TableDescriptor {
    try sequence(reference, of: transactionSchema?.catalog ?? catalog)
  }

  private func sequence(
    _ reference: SequenceReference, of catalog: CatalogView
  ) throws(SQLError) -> TableDescriptor {
    switch reference {
    case .name(let name):
      return try StatementPlanner(catalog: catalog, session: plannerSession(catalog)).sequence(named: name)
    case .number(let number):
      guard let id = UInt64(exactly: number), let found = catalog.table(id: TableID(rawValue: id)),
        found.databaseID == databaseID
      else {
        throw SQLError(.undefinedTable, "relation with OID \(number) does not exist")
      }
      guard found.isSequence else { throw SQLError(.wrongObjectType, "\"\(found.name)\" is not a sequence") }
      return found
    }
  }

  /// `setval` starts the sequence anew, in the catalog: so the blocks that other gateways hold are void at once, and no
  /// number from before can come after.
  private func set(
    _ table: TableDescriptor, in schema: String, to value: Int64, isCalled: Bool, _ snapshot: ReadSnapshot,
    _ control: StatementControl
  ) async throws(SQLError) {
    // It was done when the block was sent first; the numbers may have gone on since.
    guard let sequence = table.sequence, transactionSchema?.isRepetition != true else { return }
    guard value >= sequence.minimum, value <= sequence.maximum else {
      throw SQLError(
        .numericValueOutOfRange,
        "setval: value \(value) is out of bounds for sequence \"\(table.name)\" (\(sequence.minimum)..\(sequence.maximum))"
      )
    }
    var options = SequenceOptions()
    options.restart = .value(value, isCalled: isCalled)
    let statement = SchemaStatement.alterSequence(
      ObjectName(schema: schema, name: table.name), ifExists: false, options)
    let text = "setval of \(table.name) to \(value)"
    if SchemaDraft.isProvisional(table.id), let transaction {
      // There is nobody for whom it could take effect before the block does.
      _ = try await stage(statement, text: text, snapshot, in: transaction, control)
    } else {
      let change = SchemaChangeCall(self, statement, text: text, explainOnly: false, isInternal: true)
      _ = try await change.run(control)
      gateway.sequences.forget(table.id)
    }
    if isCalled { sequences.values[table.id] = value }
  }
}
