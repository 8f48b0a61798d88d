import Basics

extension SchemaEntry {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, index)
    writer.field(2, timestamp)
    writer.field(3, databaseID)
    if let operationID { writer.field(4, operationID.text) }
    if let jobID { writer.field(5, jobID) }
    for change in changes { writer.field(6) { change.encode(into: &$0) } }
    for database in databaseChanges { writer.field(7) { database.encode(into: &$0) } }
    for range in newRanges { writer.field(8) { range.encode(into: &$0) } }
    for range in removedRanges { writer.field(9, range) }
    for change in namespaceChanges { writer.field(40) { change.encode(into: &$0) } }
  }

  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 512)
    encode(into: &writer)
    return writer.bytes
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var entry = SchemaEntry(index: .zero, timestamp: .zero, databaseID: .defaultDatabase, changes: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: entry.index = try field.identifier()
      case 2: entry.timestamp = try field.timestamp()
      case 3: entry.databaseID = try field.identifier()
      case 4: entry.operationID = OperationID(try field.string())
      case 5: entry.jobID = try field.identifier()
      case 6: entry.changes.append(try TableChange(decoding: try field.slice()))
      case 7: entry.databaseChanges.append(try DatabaseDescriptor(decoding: try field.slice()))
      case 8: entry.newRanges.append(try RangeDescriptor(decoding: try field.slice()))
      case 9: entry.removedRanges.append(try field.identifier())
      case 40: entry.namespaceChanges.append(try NamespaceChange(decoding: try field.slice()))
      default: break
      }
    }
    self = entry
  }
}

extension TableChange {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, tableID)
    writer.field(2, from)
    writer.field(3, to)
    writer.field(4, commitFloor)
    if let descriptor { writer.field(5) { descriptor.encode(into: &$0) } }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var change = TableChange(tableID: TableID(0), from: .none, to: .none, commitFloor: .none, descriptor: nil)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: change.tableID = try field.identifier()
      case 2: change.from = try field.identifier()
      case 3: change.to = try field.identifier()
      case 4: change.commitFloor = try field.identifier()
      case 5: change.descriptor = try TableDescriptor(decoding: try field.slice())
      default: break
      }
    }
    self = change
  }
}

extension DatabaseDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, name)
    writer.field(3, version)
    if let comment { writer.field(4, comment) }
    if isDropped { writer.field(60, true) }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var database = DatabaseDescriptor(id: DatabaseID(0), name: "")
    while let field = try reader.nextField() {
      switch field.number {
      case 1: database.id = try field.identifier()
      case 2: database.name = try field.string()
      case 3: database.version = try field.identifier()
      case 4: database.comment = try field.string()
      case 60: database.isDropped = try field.boolean()
      default: break
      }
    }
    self = database
  }
}

extension RangeDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, epoch)
    writer.field(3, startKey)
    writer.field(4, endKey)
    for replica in replicas { writer.field(5, replica) }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var range = RangeDescriptor(id: RangeID(0), epoch: 0, startKey: [], endKey: [], replicas: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: range.id = try field.identifier()
      case 2: range.epoch = try field.integer()
      case 3: range.startKey = try field.bytes()
      case 4: range.endKey = try field.bytes()
      case 5: range.replicas.append(try field.identifier())
      default: break
      }
    }
    self = range
  }
}
