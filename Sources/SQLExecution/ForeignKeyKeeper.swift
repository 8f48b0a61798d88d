import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// Keeps the foreign keys of one statement: is told of every row that changes, and at the end of the statement changes what
/// refers to rows that are gone, or refuses, and sees to it that nobody undoes meanwhile what the statement relies on.
///
/// A row that refers *holds* the one it refers to: a `check` of its key in the unique index. A row that goes takes that key
/// away, and whoever takes it away looks for rows that refer once more when it holds all its keys (`CommitCheck`). Why no
/// interleaving slips through stands in SchemaChange.md, "Foreign keys".
final class ForeignKeyKeeper {
  /// A round changes rows because of the rows that the round before changed.
  static let maximumRounds = 1_000

  private let state: ExecutionState
  private let tables: [TableID: TableDescriptor]
  private var outgoing: [TableID: [OutgoingForeignKey]] = [:]
  private var incoming: [TableID: [IncomingForeignKey]] = [:]
  private var references: [PendingReferences] = []
  private var removals: [PendingRemovals] = []

  /// Rows that have to be there, by the key of their entry.
  private struct PendingReferences {
    let key: OutgoingForeignKey
    var values: [[UInt8]: [Datum]] = [:]
    var order: [[UInt8]] = []
  }

  /// Keys that rows have lost, with what they have instead (nil: the row is gone).
  private struct PendingRemovals {
    let key: IncomingForeignKey
    var old: [[Datum]] = []
    var new: [[Datum]?] = []
    var isDeletion: Bool { new.first.map { $0 == nil } ?? true }
  }

  /// nil: no foreign key has to do with the statement.
  init?(_ tied: [TableDescriptor], of table: TableDescriptor, _ state: ExecutionState) {
    if tied.isEmpty { return nil }
    self.state = state
    var tables: [TableID: TableDescriptor] = [table.id: table]
    for table in tied { tables[table.id] = table }
    self.tables = tables
  }

  // MARK: What happens to rows

  /// Full rows, in the order of the table's columns.
  func inserted(_ row: [Datum], of writer: RowWriter) throws(SQLError) {
    for key in try outgoing(writer.table) { try refer(row, key) }
  }

  func deleted(_ row: [Datum], of writer: RowWriter) throws(SQLError) {
    for key in try incoming(writer.table) { try remove(row, nil, key) }
  }

  func updated(_ old: [Datum], to new: [Datum], of writer: RowWriter) throws(SQLError) {
    for key in try outgoing(writer.table) where key.positions.contains(where: { old[$0] != new[$0] }) {
      try refer(new, key)
    }
    for key in try incoming(writer.table) where key.positions.contains(where: { old[$0] != new[$0] }) {
      try remove(old, new, key)
    }
  }

  private func refer(_ row: [Datum], _ key: OutgoingForeignKey) throws(SQLError) {
    // MATCH SIMPLE: with a NULL in it it refers to nothing.
    guard let values = key.values(of: row) else { return }
    let position: Int
    if let known = references.firstIndex(where: { $0.key.isSame(as: key) }) {
      position = known
    } else {
      position = references.count
      references.append(PendingReferences(key: key))
    }
    let bytes = key.referencedKey(of: values)
    guard references[position].values.updateValue(values, forKey: bytes) == nil else { return }
    references[position].order.append(bytes)
    try state.hold(bytes: bytes.count * 2 + 128)
  }

  private func remove(_ old: [Datum], _ new: [Datum]?, _ key: IncomingForeignKey) throws(SQLError) {
    let values = key.positions.map { old[$0] }
    if values.contains(where: \.isNull) { return }
    let position: Int
    if let known = removals.firstIndex(where: { $0.key.isSame(as: key) && $0.isDeletion == (new == nil) }) {
      position = known
    } else {
      position = removals.count
      removals.append(PendingRemovals(key: key))
    }
    removals[position].old.append(values)
    removals[position].new.append(new.map { new in key.positions.map { new[$0] } })
    try state.hold(bytes: ExecutionState.size(of: values) * 2)
  }

  // MARK: The end of the statement

  nonisolated(nonsending) func keep() async throws(SQLError) {
    var kept: [PendingRemovals] = []
    var rounds = 0
    while !removals.isEmpty {
      rounds += 1
      guard rounds <= Self.maximumRounds else {
        throw SQLError(
          .statementTooComplex, "foreign keys change rows because of each other for more than \(rounds - 1) rounds")
      }
      let round = removals
      removals = []
      for removed in round {
        try await act(on: removed)
        kept.append(removed)
      }
    }
    for removed in kept {
      let check = RemovedKeys(removed.key, removed.old, state)
      if let violation = try await check.violation(state.access) {
        throw ConstraintViolation.stillReferenced(removed.key, violation)
      }
      state.access.checkAtCommit(check)
    }
    for pending in references { try await hold(pending) }
    references = []
  }

  private nonisolated(nonsending) func hold(_ pending: PendingReferences) async throws(SQLError) {
    let key = pending.key
    var start = 0
    while start < pending.order.count {
      let keys = Array(pending.order[start..<min(start + state.limits.batchRows, pending.order.count)])
      start += keys.count
      let found = try await state.access.get(table: key.referenced, index: key.index, keys: keys)
      guard found.count == keys.count else { throw SQLError(.internalError, "a get answered other keys than asked") }
      for (bytes, value) in zip(keys, found) where value == nil {
        throw ConstraintViolation.missingReference(key, pending.values[bytes] ?? [])
      }
      if PlantedFault.isPlanted(.referenceNotHeld) { continue }
      let mutations = keys.map {
        TableMutation(kind: .check, index: key.index.id, rangeID: key.index.rangeID, key: $0, value: [])
      }
      try await state.access.write(table: key.referenced, mutations: mutations)
    }
  }

  // MARK: Actions

  private nonisolated(nonsending) func act(on removed: PendingRemovals) async throws(SQLError) {
    let key = removed.key
    let action = removed.isDeletion ? key.rule.onDelete : key.rule.onUpdate
    switch action {
    case .noAction: return
    case .restrict:
      let rows = ReferringRows(key, removed.old, state)
      if let violation = try await rows.first() { throw ConstraintViolation.stillReferenced(key, violation) }
    case .cascade, .setNull, .setDefault:
      try await change(action, removed)
    }
  }

  /// Gives rows that refer to old keys other values, or removes them.
  private nonisolated(nonsending) func change(
    _ action: ReferentialAction, _ removed: PendingRemovals
  ) async throws(SQLError) {
    let key = removed.key
    let writer = state.cache.writer(for: key.table)
    let referring = ReferringRows(key, removed.old, state)
    var successors: [[UInt8]: [Datum]] = [:]
    for (old, new) in zip(removed.old, removed.new) {
      if let new { successors[referring.encoded(old)] = try key.values(convertedFrom: new) }
    }
    let rows = try await referring.rows()
    let locked = try await RowLocker(writer: writer, recheck: nil, wait: .untilGranted).lock(rows, state)
    let changes = RowChanges(writer, state)
    var seen: Set<[UInt8]> = []
    for (primaryKey, stored) in locked {
      guard seen.insert(primaryKey).inserted, let old = referring.match(stored) else { continue }
      var row = stored
      writer.fillExisting(&row, &state.context)
      let successor: [Datum]
      switch action {
      case .cascade:
        guard let new = successors[old] else {
          try changes.delete(row)
          try deleted(row, of: writer)
          continue
        }
        successor = new
      case .setDefault: successor = try await defaults(of: key, over: row)
      case .setNull, .noAction, .restrict: successor = key.rule.columns.map { _ in .null }
      }
      var new = row
      for (position, value) in zip(referring.positions, successor) { new[position] = value }
      try await writer.fill(&new, state)
      try writer.check(&new, &state.context)
      try changes.update(row, to: new)
      try updated(row, to: new, of: writer)
    }
    try await changes.write()
  }

  private nonisolated(nonsending) func defaults(
    of key: IncomingForeignKey, over row: [Datum]
  ) async throws(SQLError) -> [Datum] {
    var expressions: [Expression] = []
    for id in key.rule.columns {
      guard let column = key.table.column(id), let bytes = column.defaultExpression else {
        expressions.append(.constant(.null, .unknown))
        continue
      }
      do throws(MalformedBytes) {
        expressions.append(try Expression(decoding: bytes))
      } catch {
        throw corrupted(error, in: key.table)
      }
    }
    return try await state.values(of: expressions, over: row)
  }

  // MARK: Foreign keys of a table

  private func outgoing(_ table: TableDescriptor) throws(SQLError) -> [OutgoingForeignKey] {
    if let known = outgoing[table.id] { return known }
    var found: [OutgoingForeignKey] = []
    for (constraint, rule) in table.enforcedForeignKeys {
      // Not among the tables of the plan: the statement does not change what refers.
      guard let referenced = tables[rule.referencedTable] else { continue }
      found.append(try OutgoingForeignKey(table, constraint, rule, referenced))
    }
    outgoing[table.id] = found
    return found
  }

  private func incoming(_ table: TableDescriptor) throws(SQLError) -> [IncomingForeignKey] {
    if let known = incoming[table.id] { return known }
    var found: [IncomingForeignKey] = []
    for reference in table.referencedBy {
      guard let other = tables[reference.table], let constraint = other.constraint(reference.constraint),
        constraint.state.isWritable, case .foreignKey(let rule) = constraint.rule
      else { continue }
      found.append(try IncomingForeignKey(other, constraint, rule, table))
    }
    incoming[table.id] = found
    return found
  }
}
