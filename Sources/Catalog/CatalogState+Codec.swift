import Basics

/// A catalog whole: the checkpoint that a watcher starts from when the log does not reach back far enough.
public typealias CatalogSnapshot = CatalogState

extension CatalogState {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, schemaIndex)
    writer.field(2, timestamp)
    for database in databases { writer.field(3) { database.encode(into: &$0) } }
    for table in tables { writer.field(4) { table.encode(into: &$0) } }
    for range in ranges { writer.field(5) { range.encode(into: &$0) } }
    for namespace in namespaces { writer.field(40) { namespace.encode(into: &$0) } }
    writer.field(41, namespacesIndex)
  }

  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 64 + 512 * tableCount)
    encode(into: &writer)
    return writer.bytes
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var schemaIndex = SchemaIndex.zero
    var timestamp = Timestamp.zero
    var databases: [DatabaseDescriptor] = []
    var tables: [TableDescriptor] = []
    var ranges: [RangeDescriptor] = []
    var namespaces: [NamespaceDescriptor] = []
    // Nil: of a release that knew no other than `public`.
    var namespacesIndex: SchemaIndex?
    while let field = try reader.nextField() {
      switch field.number {
      case 1: schemaIndex = try field.identifier()
      case 2: timestamp = try field.timestamp()
      case 3: databases.append(try DatabaseDescriptor(decoding: try field.slice()))
      case 4: tables.append(try TableDescriptor(decoding: try field.slice()))
      case 5: ranges.append(try RangeDescriptor(decoding: try field.slice()))
      case 40: namespaces.append(try NamespaceDescriptor(decoding: try field.slice()))
      case 41: namespacesIndex = try field.identifier()
      default: break
      }
    }
    do {
      try self.init(
        schemaIndex: schemaIndex, timestamp: timestamp, databases: databases,
        namespaces: namespacesIndex == nil ? nil : namespaces, namespacesIndex: namespacesIndex ?? .zero,
        tables: tables,
        ranges: ranges)
    } catch { throw reader.failure("contradictory catalog: \(error)") }
  }
}
