import Basics
import Catalog
import SQLValues

/// Statements about views.
public enum ViewStatement: Hashable, Sendable {
  case create(CreateView)
  case drop(names: [ObjectName], ifExists: Bool, isCascade: Bool)
  case rename(ObjectName, to: String, ifExists: Bool)
  case renameColumn(ObjectName, String, to: String, ifExists: Bool)
}

/// `CREATE [OR REPLACE] VIEW`, bound: the query is in its stored form (`ViewDescriptor`), what it reads is named.
public struct CreateView: Hashable, Sendable {
  public struct Column: Hashable, Sendable {
    public var name: String
    public var type: SQLType

    public init(name: String, type: SQLType) {
      self.name = name
      self.type = type
    }
  }

  /// A relation that the query reads. Where the change is made the name is looked up again, like that of any other statement.
  public struct Dependency: Hashable, Sendable {
    public var relation: ObjectName
    /// That the name led to; a relation that the same transaction makes has a provisional one.
    public var id: TableID
    public var columns: [Column]

    public init(relation: ObjectName, id: TableID, columns: [Column]) {
      self.relation = relation
      self.id = id
      self.columns = columns
    }
  }

  public var name: ObjectName
  public var isReplacing: Bool
  public var columns: [Column]
  public var query: [UInt8]
  public var dependencies: [Dependency]

  public init(
    name: ObjectName, isReplacing: Bool, columns: [Column], query: [UInt8], dependencies: [Dependency]
  ) {
    self.name = name
    self.isReplacing = isReplacing
    self.columns = columns
    self.query = query
    self.dependencies = dependencies
  }
}

extension ViewStatement {
  /// Views that it names.
  var names: [ObjectName] {
    switch self {
    case .create(let create): [create.name]
    case .drop(let names, _, _): names
    case .rename(let name, _, _), .renameColumn(let name, _, _, _): [name]
    }
  }

  /// What else has to stay as it is meanwhile.
  var readRelations: [ObjectName] {
    if case .create(let create) = self { create.dependencies.map(\.relation) } else { [] }
  }
}

// MARK: - Tagged records

extension ViewStatement {
  func encode(into writer: inout ByteWriter) {
    func named(_ number: Int, _ names: [ObjectName], _ texts: [String], ifExists: Bool, isCascade: Bool = false) {
      writer.field(number) {
        for name in names { $0.field(1) { name.encode(into: &$0) } }
        for text in texts { $0.field(2, text) }
        $0.field(3, ifExists)
        $0.field(4, isCascade)
      }
    }
    switch self {
    case .create(let create): writer.field(1) { create.encode(into: &$0) }
    case .drop(let names, let ifExists, let isCascade): named(2, names, [], ifExists: ifExists, isCascade: isCascade)
    case .rename(let name, let newName, let ifExists): named(3, [name], [newName], ifExists: ifExists)
    case .renameColumn(let name, let column, let newName, let ifExists):
      named(4, [name], [column, newName], ifExists: ifExists)
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let field = try reader.nextField() else { throw reader.failure("empty statement about a view") }
    if field.number == 1 {
      self = .create(try CreateView(decoding: try field.slice()))
      return
    }
    var nested = try field.reader()
    var names: [ObjectName] = []
    var texts: [String] = []
    var ifExists = false
    var isCascade = false
    while let part = try nested.nextField() {
      switch part.number {
      case 1: names.append(try ObjectName(decoding: try part.slice()))
      case 2: texts.append(try part.string())
      case 3: ifExists = try part.boolean()
      case 4: isCascade = try part.boolean()
      default: break
      }
    }
    let name = names.first ?? ObjectName(name: "")
    switch field.number {
    case 2: self = .drop(names: names, ifExists: ifExists, isCascade: isCascade)
    case 3: self = .rename(name, to: texts.first ?? "", ifExists: ifExists)
    case 4: self = .renameColumn(name, texts.first ?? "", to: texts.last ?? "", ifExists: ifExists)
    default: throw reader.failure("unknown statement \(field.number) about a view")
    }
  }
}

extension CreateView.Column {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.field(1, name)
    writer.field(2) { type.encode(into: &$0) }
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: "", type: .unknown)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2:
        var nested = try field.reader()
        type = try SQLType.decode(from: &nested)
      default: break
      }
    }
  }
}

extension CreateView {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.field(1) { name.encode(into: &$0) }
    writer.field(2, isReplacing)
    for column in columns { writer.field(3) { column.encode(into: &$0) } }
    writer.field(4, query)
    for dependency in dependencies {
      writer.field(5) {
        $0.field(1) { dependency.relation.encode(into: &$0) }
        $0.field(2, dependency.id)
        for column in dependency.columns { $0.field(3) { column.encode(into: &$0) } }
      }
    }
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: ObjectName(name: ""), isReplacing: false, columns: [], query: [], dependencies: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try ObjectName(decoding: try field.slice())
      case 2: isReplacing = try field.boolean()
      case 3: columns.append(try Column(decoding: try field.slice()))
      case 4: query = try field.bytes()
      case 5:
        var nested = try field.reader()
        var dependency = Dependency(relation: ObjectName(name: ""), id: TableID(0), columns: [])
        while let part = try nested.nextField() {
          switch part.number {
          case 1: dependency.relation = try ObjectName(decoding: try part.slice())
          case 2: dependency.id = try part.identifier()
          case 3: dependency.columns.append(try Column(decoding: try part.slice()))
          default: break
          }
        }
        dependencies.append(dependency)
      default: break
      }
    }
  }
}
