import Basics
import Catalog

extension Plan {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, commandTag)
    for table in tables { writer.field(2, table) }
    for stage in stages { writer.field(3) { stage.encode(into: &$0) } }
    writer.field(4, UInt64(visibleStage))
    for addition in additions {
      switch addition {
      case .index(let table, let index): writer.field(5) { Self.encode(table, index, into: &$0) }
      case .column(let table, let column): writer.field(6) { Self.encode(table, column, into: &$0) }
      case .constraint(let table, let constraint): writer.field(8) { Self.encode(table, constraint, into: &$0) }
      case .validation(let table, let constraint): writer.field(9) { Self.encode(table, constraint, into: &$0) }
      case .range(let range): writer.field(10, range)
      case .sequence(let sequence): writer.field(40, sequence)
      case .enumValue(let type, let value): writer.field(100) { Self.encode(type, value, into: &$0) }
      }
    }
    for notice in notices { writer.field(7, notice) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(commandTag: "")
    while let field = try reader.nextField() {
      switch field.number {
      case 1: commandTag = try field.string()
      case 2: tables.append(try field.identifier())
      case 3: stages.append(try PlanStage(decoding: try field.slice()))
      case 4: visibleStage = Int(truncatingIfNeeded: min(try field.integer(), 1_000_000))
      case 5:
        let (table, index) = try Self.decodePair(try field.slice())
        additions.append(.index(TableID(table), IndexID(index)))
      case 6:
        let (table, column) = try Self.decodePair(try field.slice())
        additions.append(.column(TableID(table), ColumnID(column)))
      case 7: notices.append(try field.string())
      case 8:
        let (table, constraint) = try Self.decodePair(try field.slice())
        additions.append(.constraint(TableID(table), ConstraintID(constraint)))
      case 9:
        let (table, constraint) = try Self.decodePair(try field.slice())
        additions.append(.validation(TableID(table), ConstraintID(constraint)))
      case 10: additions.append(.range(try field.identifier()))
      case 40: additions.append(.sequence(try field.identifier()))
      case 100:
        let (type, value) = try Self.decodePair(try field.slice())
        additions.append(.enumValue(TableID(type), EnumValueID(value)))
      default: break
      }
    }
  }

  static func encode(_ first: some Identifier, _ second: some Identifier, into writer: inout ByteWriter) {
    writer.field(1, first)
    writer.field(2, second)
  }

  static func decodePair(_ bytes: ArraySlice<UInt8>) throws(MalformedBytes) -> (UInt64, UInt64) {
    var reader = ByteReader(bytes)
    var pair: (UInt64, UInt64) = (0, 0)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: pair.0 = try field.integer()
      case 2: pair.1 = try field.integer()
      default: break
      }
    }
    return pair
  }
}

extension PlanStage {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, name)
    for change in changes { writer.field(2) { change.encode(into: &$0) } }
    for range in newRanges { writer.field(3) { range.encode(into: &$0) } }
    for range in retiredRanges { writer.field(4, range) }
    for range in restoredRanges { writer.field(10, range) }
    writer.field(5, waitsForBarrier)
    for change in namespaceChanges { writer.field(42) { change.encode(into: &$0) } }
    for change in databaseChanges { writer.field(43) { change.encode(into: &$0) } }
    for item in work {
      switch item {
      case .backfill(let table, let index): writer.field(6) { Plan.encode(table, index, into: &$0) }
      case .validateIndex(let table, let index): writer.field(7) { Plan.encode(table, index, into: &$0) }
      case .validateNotNull(let table, let column): writer.field(8) { Plan.encode(table, column, into: &$0) }
      case .validateCheck(let table, let constraint): writer.field(9) { Plan.encode(table, constraint, into: &$0) }
      case .validateForeignKey(let table, let constraint):
        writer.field(30) { Plan.encode(table, constraint, into: &$0) }
      case .settle: writer.field(31, true)
      case .fill(let table): writer.field(40, table)
      }
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: "", changes: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2: changes.append(try PlannedTableChange(decoding: try field.slice()))
      case 3: newRanges.append(try RangeDescriptor(decoding: try field.slice()))
      case 4: retiredRanges.append(try field.identifier())
      case 5: waitsForBarrier = try field.boolean()
      case 10: restoredRanges.append(try field.identifier())
      case 42: namespaceChanges.append(try PlannedNamespaceChange(decoding: try field.slice()))
      case 43: databaseChanges.append(try PlannedDatabaseChange(decoding: try field.slice()))
      case 6:
        let (table, index) = try Plan.decodePair(try field.slice())
        work.append(.backfill(TableID(table), IndexID(index)))
      case 7:
        let (table, index) = try Plan.decodePair(try field.slice())
        work.append(.validateIndex(TableID(table), IndexID(index)))
      case 8:
        let (table, column) = try Plan.decodePair(try field.slice())
        work.append(.validateNotNull(TableID(table), ColumnID(column)))
      case 9:
        let (table, constraint) = try Plan.decodePair(try field.slice())
        work.append(.validateCheck(TableID(table), ConstraintID(constraint)))
      case 30:
        let (table, constraint) = try Plan.decodePair(try field.slice())
        work.append(.validateForeignKey(TableID(table), ConstraintID(constraint)))
      case 31: work.append(.settle)
      case 40: work.append(.fill(try field.identifier()))
      default: break
      }
    }
  }
}

extension PlannedTableChange {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, tableID)
    for edit in edits { writer.field(2) { edit.encode(into: &$0) } }
    writer.field(3, UInt64(floor.rawValue))
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(tableID: TableID(0), edits: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: tableID = try field.identifier()
      case 2: edits.append(try DescriptorEdit(decoding: try field.slice()))
      case 3:
        guard let raw = UInt8(exactly: try field.integer()), let rule = FloorRule(rawValue: raw) else {
          throw reader.failure("unknown floor rule")
        }
        floor = rule
      default: break
      }
    }
  }
}
