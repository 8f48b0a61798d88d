import Basics
import Catalog

// Tagged records.

extension CommentStatement {
  func encode(into writer: inout ByteWriter) {
    func relation(_ number: Int, _ name: ObjectName, _ part: String? = nil) {
      writer.field(number) {
        $0.field(1) { name.encode(into: &$0) }
        if let part { $0.field(2, part) }
      }
    }
    switch target {
    case .table(let name): relation(1, name)
    case .sequence(let name): relation(2, name)
    case .index(let name): relation(3, name)
    case .column(let name, let column): relation(4, name, column)
    case .constraint(let name, let constraint): relation(5, name, constraint)
    case .schema(let name): writer.field(6, name)
    case .database(let name): writer.field(7, name)
    case .view(let name): relation(90, name)
    case .type(let name): writer.field(100) { name.encode(into: &$0) }
    }
    if let text { writer.field(20, text) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    var found: Target?
    var text: String?
    while let field = try reader.nextField() {
      switch field.number {
      case 1...5, 90:
        var nested = try field.reader()
        var name = ObjectName(name: "")
        var part = ""
        while let piece = try nested.nextField() {
          switch piece.number {
          case 1: name = try ObjectName(decoding: try piece.slice())
          case 2: part = try piece.string()
          default: break
          }
        }
        switch field.number {
        case 1: found = .table(name)
        case 2: found = .sequence(name)
        case 3: found = .index(name)
        case 4: found = .column(name, part)
        case 90: found = .view(name)
        default: found = .constraint(name, part)
        }
      case 6: found = .schema(try field.string())
      case 7: found = .database(try field.string())
      case 100: found = .type(try ObjectName(decoding: try field.slice()))
      case 20: text = try field.string()
      default: break
      }
    }
    guard let found else { throw reader.failure("a comment on nothing") }
    self.init(found, text: text)
  }
}

extension NamespaceStatement {
  func encode(into writer: inout ByteWriter) {
    switch self {
    case .create(let name, let ifNotExists):
      writer.field(1) {
        $0.field(1, name)
        $0.field(2, ifNotExists)
      }
    case .drop(let names, let ifExists, let isCascade):
      writer.field(2) {
        for name in names { $0.field(1, name) }
        $0.field(2, ifExists)
        $0.field(3, isCascade)
      }
    case .rename(let name, let newName):
      writer.field(3) {
        $0.field(1, name)
        $0.field(4, newName)
      }
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let field = try reader.nextField() else { throw reader.failure("empty statement about a schema") }
    var nested = try field.reader()
    var names: [String] = []
    var flag = false
    var isCascade = false
    var newName = ""
    while let part = try nested.nextField() {
      switch part.number {
      case 1: names.append(try part.string())
      case 2: flag = try part.boolean()
      case 3: isCascade = try part.boolean()
      case 4: newName = try part.string()
      default: break
      }
    }
    switch field.number {
    case 1: self = .create(names.first ?? "", ifNotExists: flag)
    case 2: self = .drop(names, ifExists: flag, isCascade: isCascade)
    case 3: self = .rename(names.first ?? "", to: newName)
    default: throw reader.failure("unknown statement \(field.number) about a schema")
    }
  }
}

extension DatabaseStatement {
  func encode(into writer: inout ByteWriter) {
    switch self {
    case .create(let name, let ifNotExists):
      writer.field(1) {
        $0.field(1, name)
        $0.field(2, ifNotExists)
      }
    case .drop(let name, let ifExists):
      writer.field(2) {
        $0.field(1, name)
        $0.field(2, ifExists)
      }
    case .rename(let name, let newName):
      writer.field(3) {
        $0.field(1, name)
        $0.field(3, newName)
      }
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let field = try reader.nextField() else { throw reader.failure("empty statement about a database") }
    var nested = try field.reader()
    var name = ""
    var flag = false
    var newName = ""
    while let part = try nested.nextField() {
      switch part.number {
      case 1: name = try part.string()
      case 2: flag = try part.boolean()
      case 3: newName = try part.string()
      default: break
      }
    }
    switch field.number {
    case 1: self = .create(name, ifNotExists: flag)
    case 2: self = .drop(name, ifExists: flag)
    case 3: self = .rename(name, to: newName)
    default: throw reader.failure("unknown statement \(field.number) about a database")
    }
  }
}

extension SetSchemaStatement {
  func encode(into writer: inout ByteWriter) {
    writer.field(1) { relation.encode(into: &$0) }
    writer.field(2, isSequence)
    writer.field(3, ifExists)
    writer.field(4, schema)
    if isView { writer.field(90, true) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(relation: ObjectName(name: ""), isSequence: false, ifExists: false, schema: "")
    while let field = try reader.nextField() {
      switch field.number {
      case 1: relation = try ObjectName(decoding: try field.slice())
      case 2: isSequence = try field.boolean()
      case 3: ifExists = try field.boolean()
      case 4: schema = try field.string()
      case 90: isView = try field.boolean()
      default: break
      }
    }
  }
}
