import Basics
import Catalog
import SQLValues

// Tagged records. The field number of the outermost record is the kind of statement.

extension SchemaStatement {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 256)
    switch self {
    case .createTable(let statement): writer.field(1) { statement.encode(into: &$0) }
    case .dropTables(let names, let ifExists, let isCascade):
      writer.field(2) { Self.encode(names, ifExists, isCascade: isCascade, into: &$0) }
    case .truncateTables(let names, let restartsIdentity):
      writer.field(8) { Self.encode(names, restartsIdentity, into: &$0) }
    case .renameTable(let name, let newName, let ifExists):
      writer.field(3) { Self.encode(name, newName, ifExists, into: &$0) }
    case .alterTable(let name, let ifExists, let changes):
      writer.field(4) {
        $0.field(1) { name.encode(into: &$0) }
        $0.field(2, ifExists)
        for change in changes { $0.field(3) { change.encode(into: &$0) } }
      }
    case .createIndex(let statement): writer.field(5) { statement.encode(into: &$0) }
    case .dropIndexes(let names, let ifExists, let isCascade):
      writer.field(6) { Self.encode(names, ifExists, isCascade: isCascade, into: &$0) }
    case .renameIndex(let name, let newName, let ifExists):
      writer.field(7) { Self.encode(name, newName, ifExists, into: &$0) }
    case .setIndexVisibility(let name, let ifExists, let isVisible):
      writer.field(60) {
        $0.field(1) { name.encode(into: &$0) }
        $0.field(2, ifExists)
        $0.field(3, isVisible)
      }
    case .createSequence(let name, let ifNotExists, let options):
      writer.field(20) { Self.encode(name, ifNotExists, options, into: &$0) }
    case .alterSequence(let name, let ifExists, let options):
      writer.field(21) { Self.encode(name, ifExists, options, into: &$0) }
    case .renameSequence(let name, let newName, let ifExists):
      writer.field(22) { Self.encode(name, newName, ifExists, into: &$0) }
    case .dropSequences(let names, let ifExists, let isCascade):
      writer.field(23) { Self.encode(names, ifExists, isCascade: isCascade, into: &$0) }
    case .undrop(let undrop): writer.field(40) { undrop.encode(into: &$0) }
    case .revertJob(let job): writer.field(41) { $0.field(1, job) }
    case .comment(let comment): writer.field(70) { comment.encode(into: &$0) }
    case .namespace(let statement): writer.field(71) { statement.encode(into: &$0) }
    case .database(let statement): writer.field(61) { statement.encode(into: &$0) }
    case .setSchema(let move): writer.field(72) { move.encode(into: &$0) }
    case .view(let statement): writer.field(90) { statement.encode(into: &$0) }
    case .type(let statement): writer.field(100) { statement.encode(into: &$0) }
    case .transaction(let transaction): writer.field(24) { transaction.encode(into: &$0) }
    }
    return writer.bytes
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    guard let field = try reader.nextField() else { throw reader.failure("empty statement") }
    let body = try field.slice()
    switch field.number {
    case 1: self = .createTable(try CreateTable(decoding: body))
    case 2:
      let (names, ifExists, isCascade) = try Self.decodeNames(body)
      self = .dropTables(names: names, ifExists: ifExists, isCascade: isCascade)
    case 3:
      let (name, newName, ifExists) = try Self.decodeRename(body)
      self = .renameTable(name, to: newName, ifExists: ifExists)
    case 4:
      var nested = ByteReader(body)
      var name = ObjectName(name: "")
      var ifExists = false
      var changes: [TableAlteration] = []
      while let part = try nested.nextField() {
        switch part.number {
        case 1: name = try ObjectName(decoding: try part.slice())
        case 2: ifExists = try part.boolean()
        case 3: changes.append(try TableAlteration(decoding: try part.slice()))
        default: break
        }
      }
      self = .alterTable(name, ifExists: ifExists, changes: changes)
    case 5: self = .createIndex(try CreateIndex(decoding: body))
    case 6:
      let (names, ifExists, isCascade) = try Self.decodeNames(body)
      self = .dropIndexes(names: names, ifExists: ifExists, isCascade: isCascade)
    case 7:
      let (name, newName, ifExists) = try Self.decodeRename(body)
      self = .renameIndex(name, to: newName, ifExists: ifExists)
    case 8:
      let (names, restartsIdentity, _) = try Self.decodeNames(body)
      self = .truncateTables(names: names, restartsIdentity: restartsIdentity)
    case 20, 21:
      var nested = ByteReader(body)
      var name = ObjectName(name: "")
      var flag = false
      var options = SequenceOptions()
      while let part = try nested.nextField() {
        switch part.number {
        case 1: name = try ObjectName(decoding: try part.slice())
        case 2: flag = try part.boolean()
        case 3: options = try SequenceOptions(decoding: try part.slice())
        default: break
        }
      }
      self =
        field.number == 20
        ? .createSequence(name, ifNotExists: flag, options) : .alterSequence(name, ifExists: flag, options)
    case 22:
      let (name, newName, ifExists) = try Self.decodeRename(body)
      self = .renameSequence(name, to: newName, ifExists: ifExists)
    case 23:
      let (names, ifExists, isCascade) = try Self.decodeNames(body)
      self = .dropSequences(names: names, ifExists: ifExists, isCascade: isCascade)
    case 24: self = .transaction(try SchemaTransaction(decoding: body))
    case 70: self = .comment(try CommentStatement(decoding: body))
    case 71: self = .namespace(try NamespaceStatement(decoding: body))
    case 61: self = .database(try DatabaseStatement(decoding: body))
    case 72: self = .setSchema(try SetSchemaStatement(decoding: body))
    case 90: self = .view(try ViewStatement(decoding: body))
    case 100: self = .type(try TypeStatement(decoding: body))
    case 60:
      var nested = ByteReader(body)
      var name = ObjectName(name: "")
      var ifExists = false
      var isVisible = false
      while let part = try nested.nextField() {
        switch part.number {
        case 1: name = try ObjectName(decoding: try part.slice())
        case 2: ifExists = try part.boolean()
        case 3: isVisible = try part.boolean()
        default: break
        }
      }
      self = .setIndexVisibility(name, ifExists: ifExists, isVisible: isVisible)
    case 40: self = .undrop(try Undrop(decoding: body))
    case 41:
      var nested = ByteReader(body)
      var job = JobID(0)
      while let part = try nested.nextField() {
        if part.number == 1 { job = try part.identifier() }
      }
      self = .revertJob(job)
    default: throw reader.failure("unknown kind of statement \(field.number)")
    }
  }

  private static func encode(
    _ name: ObjectName, _ flag: Bool, _ options: SequenceOptions, into writer: inout ByteWriter
  ) {
    writer.field(1) { name.encode(into: &$0) }
    writer.field(2, flag)
    writer.field(3) { options.encode(into: &$0) }
  }

  private static func encode(
    _ names: [ObjectName], _ ifExists: Bool, isCascade: Bool = false, into writer: inout ByteWriter
  ) {
    for name in names { writer.field(1) { name.encode(into: &$0) } }
    writer.field(2, ifExists)
    if isCascade { writer.field(3, true) }
  }

  private static func decodeNames(
    _ bytes: ArraySlice<UInt8>
  ) throws(MalformedBytes) -> (names: [ObjectName], ifExists: Bool, isCascade: Bool) {
    var reader = ByteReader(bytes)
    var names: [ObjectName] = []
    var ifExists = false
    var isCascade = false
    while let part = try reader.nextField() {
      switch part.number {
      case 1: names.append(try ObjectName(decoding: try part.slice()))
      case 2: ifExists = try part.boolean()
      case 3: isCascade = try part.boolean()
      default: break
      }
    }
    return (names, ifExists, isCascade)
  }

  private static func encode(
    _ name: ObjectName, _ newName: String, _ ifExists: Bool, into writer: inout ByteWriter
  ) {
    writer.field(1) { name.encode(into: &$0) }
    writer.field(2, newName)
    writer.field(3, ifExists)
  }

  private static func decodeRename(
    _ bytes: ArraySlice<UInt8>
  ) throws(MalformedBytes) -> (name: ObjectName, newName: String, ifExists: Bool) {
    var reader = ByteReader(bytes)
    var name = ObjectName(name: "")
    var newName = ""
    var ifExists = false
    while let part = try reader.nextField() {
      switch part.number {
      case 1: name = try ObjectName(decoding: try part.slice())
      case 2: newName = try part.string()
      case 3: ifExists = try part.boolean()
      default: break
      }
    }
    return (name, newName, ifExists)
  }
}

extension ObjectName {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, schema)
    writer.field(2, name)
    if isFromSearchPath { writer.field(3, true) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: "")
    while let field = try reader.nextField() {
      switch field.number {
      case 1: schema = try field.string()
      case 2: name = try field.string()
      case 3: isFromSearchPath = try field.boolean()
      default: break
      }
    }
  }
}

extension CreateTable {
  func encode(into writer: inout ByteWriter) {
    writer.field(1) { name.encode(into: &$0) }
    writer.field(2, ifNotExists)
    for column in columns { writer.field(3) { column.encode(into: &$0) } }
    for column in primaryKey { writer.field(4, column) }
    if let primaryKeyName { writer.field(5, primaryKeyName) }
    for constraint in uniqueConstraints { writer.field(6) { constraint.encode(into: &$0) } }
    for check in checks { writer.field(7) { check.encode(into: &$0) } }
    for key in foreignKeys { writer.field(30) { key.encode(into: &$0) } }
    for index in indexes { writer.field(40) { index.encode(into: &$0) } }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: ObjectName(name: ""), ifNotExists: false, columns: [], primaryKey: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try ObjectName(decoding: try field.slice())
      case 2: ifNotExists = try field.boolean()
      case 3: columns.append(try ColumnDefinition(decoding: try field.slice()))
      case 4: primaryKey.append(try field.string())
      case 5: primaryKeyName = try field.string()
      case 6: uniqueConstraints.append(try UniqueConstraint(decoding: try field.slice()))
      case 7: checks.append(try CheckDefinition(decoding: try field.slice()))
      case 30: foreignKeys.append(try ForeignKeyDefinition(decoding: try field.slice()))
      case 40: indexes.append(try CreateIndex(decoding: try field.slice()))
      default: break
      }
    }
  }
}

extension UniqueConstraint {
  func encode(into writer: inout ByteWriter) {
    if let name { writer.field(1, name) }
    for column in columns { writer.field(2, column) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: nil, columns: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2: columns.append(try field.string())
      default: break
      }
    }
  }
}

extension CheckDefinition {
  func encode(into writer: inout ByteWriter) {
    if let name { writer.field(1, name) }
    rule.encode(into: &writer)
    if let comment { writer.field(40, comment) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    self.init(name: nil, rule: try RowExpressionDefinition(decoding: bytes))
    var reader = ByteReader(bytes)
    while let field = try reader.nextField() {
      if field.number == 1 { name = try field.string() }
      if field.number == 40 { comment = try field.string() }
    }
  }
}

extension ForeignKeyDefinition {
  func encode(into writer: inout ByteWriter) {
    if let name { writer.field(1, name) }
    for column in columns { writer.field(2, column) }
    writer.field(3) { referencedTable.encode(into: &$0) }
    for column in referencedColumns { writer.field(4, column) }
    writer.field(5, UInt64(onDelete.rawValue))
    writer.field(6, UInt64(onUpdate.rawValue))
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: nil, columns: [], referencedTable: ObjectName(name: ""))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2: columns.append(try field.string())
      case 3: referencedTable = try ObjectName(decoding: try field.slice())
      case 4: referencedColumns.append(try field.string())
      case 5: onDelete = try ReferentialAction(decoding: field)
      case 6: onUpdate = try ReferentialAction(decoding: field)
      default: break
      }
    }
  }
}

extension RowExpressionDefinition {
  /// Fields from 2 on: the first is free for a name.
  func encode(into writer: inout ByteWriter) {
    for column in columns {
      writer.field(2) {
        $0.field(1, column.name)
        $0.field(2) { column.type.encode(into: &$0) }
      }
    }
    writer.field(3, expression)
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(columns: [], expression: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 2:
        var nested = try field.reader()
        var column = Column(name: "", type: .unknown)
        while let part = try nested.nextField() {
          switch part.number {
          case 1: column.name = try part.string()
          case 2:
            var type = try part.reader()
            column.type = try SQLType.decode(from: &type)
          default: break
          }
        }
        columns.append(column)
      case 3: expression = try field.bytes()
      default: break
      }
    }
  }
}

extension TypeChange {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, column)
    writer.field(2) { type.encode(into: &$0) }
    writer.field(3) { conversion.encode(into: &$0) }
    writer.field(4, hasUsing)
    if let oldDefault { writer.field(5, oldDefault) }
    if let newDefault { writer.field(6, newDefault) }
    if let newDefaultText { writer.field(7, newDefaultText) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(
      column: "", type: .unknown, conversion: RowExpressionDefinition(columns: [], expression: []), hasUsing: false)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: column = try field.string()
      case 2:
        var nested = try field.reader()
        type = try SQLType.decode(from: &nested)
      case 3: conversion = try RowExpressionDefinition(decoding: try field.slice())
      case 4: hasUsing = try field.boolean()
      case 5: oldDefault = try field.bytes()
      case 6: newDefault = try field.bytes()
      case 7: newDefaultText = try field.string()
      default: break
      }
    }
  }
}

extension ColumnDefinition {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, name)
    writer.field(2) { type.encode(into: &$0) }
    writer.field(3, isNullable)
    if let defaultExpression { writer.field(4, defaultExpression) }
    if let defaultText { writer.field(5, defaultText) }
    if let constantDefault { writer.field(6) { constantDefault.encode(into: &$0) } }
    for sequence in sequences { writer.field(20, sequence) }
    if let generator { writer.field(21) { generator.encode(into: &$0) } }
    if let generation { writer.field(40) { generation.encode(into: &$0) } }
    if let comment { writer.field(41, comment) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: "", type: .unknown)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2:
        var nested = try field.reader()
        type = try SQLType.decode(from: &nested)
      case 3: isNullable = try field.boolean()
      case 4: defaultExpression = try field.bytes()
      case 5: defaultText = try field.string()
      case 6:
        var nested = try field.reader()
        constantDefault = try Datum.decode(from: &nested)
      case 20: sequences.append(try field.identifier())
      case 21: generator = try ColumnGenerator(decoding: try field.slice())
      case 40: generation = try RowExpressionDefinition(decoding: try field.slice())
      case 41: comment = try field.string()
      default: break
      }
    }
  }
}

extension TableAlteration {
  func encode(into writer: inout ByteWriter) {
    switch self {
    case .addColumn(let definition, let ifNotExists):
      writer.field(1) {
        $0.field(1) { definition.encode(into: &$0) }
        $0.field(2, ifNotExists)
      }
    case .dropColumn(let name, let ifExists, let isCascade):
      writer.field(2) {
        $0.field(1, name)
        $0.field(2, ifExists)
        if isCascade { $0.field(30, true) }
      }
    case .renameColumn(let name, let newName):
      writer.field(3) {
        $0.field(1, name)
        $0.field(2, newName)
      }
    case .setDefault(let column, let expression, let text, let sequences):
      writer.field(4) {
        $0.field(1, column)
        if let expression { $0.field(3, expression) }
        if let text { $0.field(2, text) }
        for sequence in sequences { $0.field(20, sequence) }
      }
    case .setNotNull(let column): writer.field(5) { $0.field(1, column) }
    case .dropNotNull(let column): writer.field(6) { $0.field(1, column) }
    case .addCheck(let check, let isValidated):
      writer.field(7) {
        $0.field(1) { check.encode(into: &$0) }
        $0.field(2, isValidated)
      }
    case .setType(let change): writer.field(12) { $0.field(1) { change.encode(into: &$0) } }
    case .addPrimaryKey(let constraint): writer.field(13) { $0.field(1) { constraint.encode(into: &$0) } }
    case .addForeignKey(let key, let isValidated):
      writer.field(30) {
        $0.field(1) { key.encode(into: &$0) }
        $0.field(2, isValidated)
      }
    case .addUnique(let constraint): writer.field(8) { $0.field(1) { constraint.encode(into: &$0) } }
    case .validateConstraint(let name): writer.field(9) { $0.field(1, name) }
    case .dropConstraint(let name, let ifExists, let isCascade):
      writer.field(10) {
        $0.field(1, name)
        $0.field(2, ifExists)
        if isCascade { $0.field(30, true) }
      }
    case .renameConstraint(let name, let newName):
      writer.field(11) {
        $0.field(1, name)
        $0.field(2, newName)
      }
    case .dropGeneration(let column, let ifExists):
      writer.field(40) {
        $0.field(1, column)
        $0.field(2, ifExists)
      }
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let field = try reader.nextField() else { throw reader.failure("empty alteration") }
    var nested = try field.reader()
    var definition: ColumnDefinition?
    var flag = false
    var isCascade = false
    var name = ""
    var text: String?
    var expression: [UInt8]?
    var check: CheckDefinition?
    var unique: UniqueConstraint?
    var foreignKey: ForeignKeyDefinition?
    var typeChange: TypeChange?
    var sequences: [TableID] = []
    while let part = try nested.nextField() {
      switch (field.number, part.number) {
      case (1, 1): definition = try ColumnDefinition(decoding: try part.slice())
      case (30, 1): foreignKey = try ForeignKeyDefinition(decoding: try part.slice())
      case (7, 1): check = try CheckDefinition(decoding: try part.slice())
      case (12, 1): typeChange = try TypeChange(decoding: try part.slice())
      case (8, 1), (13, 1): unique = try UniqueConstraint(decoding: try part.slice())
      case (1, 2), (2, 2), (7, 2), (10, 2), (30, 2), (40, 2): flag = try part.boolean()
      case (2, 30), (10, 30): isCascade = try part.boolean()
      case (_, 1): name = try part.string()
      case (3, 2), (4, 2), (11, 2): text = try part.string()
      case (4, 3): expression = try part.bytes()
      case (4, 20): sequences.append(try part.identifier())
      default: break
      }
    }
    switch field.number {
    case 1:
      guard let definition else { throw reader.failure("no column definition") }
      self = .addColumn(definition, ifNotExists: flag)
    case 2: self = .dropColumn(name: name, ifExists: flag, isCascade: isCascade)
    case 3: self = .renameColumn(name: name, to: text ?? "")
    case 4: self = .setDefault(column: name, expression: expression, text: text, sequences: sequences)
    case 5: self = .setNotNull(column: name)
    case 6: self = .dropNotNull(column: name)
    case 7:
      guard let check else { throw reader.failure("no check") }
      self = .addCheck(check, isValidated: flag)
    case 8:
      guard let unique else { throw reader.failure("no unique constraint") }
      self = .addUnique(unique)
    case 12:
      guard let typeChange else { throw reader.failure("no type") }
      self = .setType(typeChange)
    case 13:
      guard let unique else { throw reader.failure("no primary key") }
      self = .addPrimaryKey(unique)
    case 30:
      guard let foreignKey else { throw reader.failure("no foreign key") }
      self = .addForeignKey(foreignKey, isValidated: flag)
    case 9: self = .validateConstraint(name: name)
    case 10: self = .dropConstraint(name: name, ifExists: flag, isCascade: isCascade)
    case 11: self = .renameConstraint(name: name, to: text ?? "")
    case 40: self = .dropGeneration(column: name, ifExists: flag)
    default: throw reader.failure("unknown kind of alteration \(field.number)")
    }
  }
}

extension CreateIndex {
  func encode(into writer: inout ByteWriter) {
    if let name { writer.field(1, name) }
    writer.field(2, ifNotExists)
    writer.field(3) { table.encode(into: &$0) }
    writer.field(4, isUnique)
    for key in keyColumns {
      writer.field(5) {
        $0.field(1, key.columnName)
        if key.isDescending { $0.field(2, true) }
        if let expression = key.expression {
          $0.field(3) { expression.value.encode(into: &$0) }
          $0.field(4) { expression.type.encode(into: &$0) }
          $0.field(5, expression.text)
        }
      }
    }
    for column in storedColumns { writer.field(6, column) }
    if let predicate { writer.field(7) { predicate.encode(into: &$0) } }
    if !isVisible { writer.field(8, true) }
    if let comment { writer.field(40, comment) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(name: nil, ifNotExists: false, table: ObjectName(name: ""), isUnique: false, keyColumns: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: name = try field.string()
      case 2: ifNotExists = try field.boolean()
      case 3: table = try ObjectName(decoding: try field.slice())
      case 4: isUnique = try field.boolean()
      case 5:
        var nested = try field.reader()
        var key = IndexColumnDefinition(columnName: "")
        while let part = try nested.nextField() {
          switch part.number {
          case 1: key.columnName = try part.string()
          case 2: key.isDescending = try part.boolean()
          case 3:
            key.expression = IndexExpressionDefinition(
              value: try RowExpressionDefinition(decoding: try part.slice()), type: .unknown, text: "")
          case 4:
            var type = try part.reader()
            key.expression?.type = try SQLType.decode(from: &type)
          case 5: key.expression?.text = try part.string()
          default: break
          }
        }
        keyColumns.append(key)
      case 6: storedColumns.append(try field.string())
      case 7: predicate = try RowExpressionDefinition(decoding: try field.slice())
      case 40: comment = try field.string()
      case 8: isVisible = !(try field.boolean())
      default: break
      }
    }
  }
}

extension SchemaTransaction {
  fileprivate func encode(into writer: inout ByteWriter) {
    for statement in statements { writer.field(1, statement.encoded()) }
    for version in versions {
      writer.field(2) {
        $0.field(1, version.table.rawValue)
        $0.field(2, version.version.rawValue)
      }
    }
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    self.init(statements: [], versions: [])
    var reader = ByteReader(bytes)
    while let field = try reader.nextField() {
      switch field.number {
      case 1:
        guard statements.count < SchemaLimits.maximumStatementsPerTransaction else {
          throw reader.failure("too many statements")
        }
        let bytes = try field.slice()
        // Before it is decoded: a depth that somebody else chooses.
        var kind = ByteReader(bytes)
        if try kind.nextField()?.number == 24 { throw reader.failure("a transaction in a transaction") }
        statements.append(try SchemaStatement(decoding: bytes))
      case 2:
        var nested = ByteReader(try field.slice())
        var version = Version(table: TableID(0), version: .none)
        while let part = try nested.nextField() {
          switch part.number {
          case 1: version.table = TableID(rawValue: try part.integer())
          case 2: version.version = TableVersion(rawValue: try part.integer())
          default: break
          }
        }
        versions.append(version)
      default: break
      }
    }
  }
}

extension Undrop {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.field(1, UInt64(kind.rawValue))
    writer.field(2) { name.encode(into: &$0) }
    if let table { writer.field(3) { table.encode(into: &$0) } }
    if let newName { writer.field(4, newName) }
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(.table, ObjectName(name: ""))
    while let field = try reader.nextField() {
      switch field.number {
      case 1:
        guard let raw = UInt8(exactly: try field.integer()), let kind = Kind(rawValue: raw) else {
          throw reader.failure("unknown kind of object")
        }
        self.kind = kind
      case 2: name = try ObjectName(decoding: try field.slice())
      case 3: table = try ObjectName(decoding: try field.slice())
      case 4: newName = try field.string()
      default: break
      }
    }
  }
}
