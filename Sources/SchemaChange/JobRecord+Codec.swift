import Basics
import Catalog

extension JobRecord {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, sequence)
    if let operationID { writer.field(3, operationID.text) }
    writer.field(4, databaseID)
    writer.field(5, statementText)
    if !statement.isEmpty { writer.field(6, statement) }
    writer.field(7, tableName)
    for table in tables { writer.field(8, table) }
    writer.field(9, UInt64(state.rawValue))
    if let plan { writer.field(10) { plan.encode(into: &$0) } }
    writer.field(11, UInt64(stagesApplied))
    writer.field(12, UInt64(workDone))
    if !checkpoint.isEmpty { writer.field(13, checkpoint) }
    writer.field(14, rowsDone)
    writer.field(15, rowsTotal)
    writer.field(16, schemaIndex)
    writer.field(17, timestamp)
    if let error { writer.field(18) { error.encode(into: &$0) } }
    writer.field(19, isCancelRequested)
    writer.field(20, createdMilliseconds)
    writer.field(21, finishedMilliseconds)
    writer.field(22, backfillMilliseconds)
    writer.field(23, gatewayNodeID)
    writer.field(24, boundedWaitMilliseconds)
    for step in history { writer.field(25) { step.encode(into: &$0) } }
    if let maximumRowsPerSecond { writer.field(26, maximumRowsPerSecond) }
    if let hold { writer.field(27) { hold.encode(into: &$0) } }
    if maximumLatencyIncrease > 0 { writer.field(28, UInt64(maximumLatencyIncrease)) }
    if turnsBackAtBarrier { writer.field(30, true) }
    if onBlock != .abort { writer.field(29, UInt64(onBlock.rawValue)) }
  }

  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 512)
    encode(into: &writer)
    return writer.bytes
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    self.init(id: JobID(0), databaseID: .defaultDatabase, statementText: "", tableName: "", state: .failed)
    func count(_ field: TaggedField) throws(MalformedBytes) -> Int {
      Int(truncatingIfNeeded: min(try field.integer(), 1_000_000))
    }
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: sequence = try field.integer()
      case 3: operationID = OperationID(try field.string())
      case 4: databaseID = try field.identifier()
      case 5: statementText = try field.string()
      case 6: statement = try field.bytes()
      case 7: tableName = try field.string()
      case 8: tables.append(try field.identifier())
      case 9:
        guard let raw = UInt8(exactly: try field.integer()), let state = JobState(rawValue: raw) else {
          throw reader.failure("unknown job state")
        }
        self.state = state
      case 10: plan = try Plan(decoding: try field.slice())
      case 11: stagesApplied = try count(field)
      case 12: workDone = try count(field)
      case 13: checkpoint = try field.bytes()
      case 14: rowsDone = try field.integer()
      case 15: rowsTotal = try field.integer()
      case 16: schemaIndex = try field.identifier()
      case 17: timestamp = try field.timestamp()
      case 18: error = try SQLError(decoding: try field.slice())
      case 19: isCancelRequested = try field.boolean()
      case 20: createdMilliseconds = try field.integer()
      case 21: finishedMilliseconds = try field.integer()
      case 22: backfillMilliseconds = try field.integer()
      case 23: gatewayNodeID = try field.identifier()
      case 24: boundedWaitMilliseconds = try field.integer()
      case 25: history.append(try JobStep(decoding: try field.slice()))
      case 26: maximumRowsPerSecond = try field.integer()
      case 27: hold = try JobHold(decoding: try field.slice())
      case 28: maximumLatencyIncrease = UInt32(clamping: try field.integer())
      case 30: turnsBackAtBarrier = try field.boolean()
      case 29:
        guard let raw = UInt8(exactly: try field.integer()), let onBlock = OnBlock(rawValue: raw) else {
          throw reader.failure("unknown way of waiting")
        }
        self.onBlock = onBlock
      default: break
      }
    }
  }
}

extension JobStep {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, name)
    writer.field(2, schemaIndex)
    writer.field(3, startedMilliseconds)
    writer.field(4, finishedMilliseconds)
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: "", schemaIndex: .zero, startedMilliseconds: 0, finishedMilliseconds: 0)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2: schemaIndex = try field.identifier()
      case 3: startedMilliseconds = try field.integer()
      case 4: finishedMilliseconds = try field.integer()
      default: break
      }
    }
  }
}

extension SQLError {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, state.code)
    writer.field(2, message)
    if let detail { writer.field(3, detail) }
    if let hint { writer.field(4, hint) }
    if let tableName { writer.field(5, tableName) }
    if let columnName { writer.field(6, columnName) }
    if let constraintName { writer.field(7, constraintName) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(.internalError, "")
    while let field = try reader.nextField() {
      switch field.number {
      case 1: state = SQLState(try field.string())
      case 2: message = try field.string()
      case 3: detail = try field.string()
      case 4: hint = try field.string()
      case 5: tableName = try field.string()
      case 6: columnName = try field.string()
      case 7: constraintName = try field.string()
      default: break
      }
    }
  }
}
