import Basics

// Tagged records (ByteWriter): a reader skips fields it does not know, so neighbouring releases understand each other.

extension NamespaceDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, databaseID)
    writer.field(3, name)
    writer.field(4, version)
    if let comment { writer.field(5, comment) }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var namespace = NamespaceDescriptor(id: .public, databaseID: .defaultDatabase, name: "")
    while let field = try reader.nextField() {
      switch field.number {
      case 1: namespace.id = try field.identifier()
      case 2: namespace.databaseID = try field.identifier()
      case 3: namespace.name = try field.string()
      case 4: namespace.version = try field.identifier()
      case 5: namespace.comment = try field.string()
      default: break
      }
    }
    self = namespace
  }
}

extension NamespaceChange {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, from)
    if let descriptor { writer.field(3) { descriptor.encode(into: &$0) } }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var change = NamespaceChange(id: .public, from: .none, descriptor: nil)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: change.id = try field.identifier()
      case 2: change.from = try field.identifier()
      case 3: change.descriptor = try NamespaceDescriptor(decoding: try field.slice())
      default: break
      }
    }
    self = change
  }
}
