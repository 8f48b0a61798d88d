import Basics
import Catalog
import SQLValues

extension DescriptorEdit {
  /// The field number is the kind of edit.
  func encode(into writer: inout ByteWriter) {
    func element(_ number: Int, _ id: some Identifier, name: String? = nil, state: ElementState? = nil) {
      writer.field(number) {
        $0.field(1, id)
        if let name { $0.field(2, name) }
        if let state { $0.field(3, UInt64(state.rawValue)) }
      }
    }
    switch self {
    case .createTable(let table): writer.field(1, table.encoded())
    case .renameTable(let name): writer.field(2, name)
    case .startDropping: writer.field(3, true)
    case .removeTable: writer.field(4, true)
    case .addColumn(let column): writer.field(5) { column.encode(into: &$0) }
    case .setColumnState(let id, let state): element(6, id, state: state)
    case .renameColumn(let id, let name): element(7, id, name: name)
    case .retireColumn(let id): element(8, id)
    case .removeColumn(let id): element(9, id)
    case .addIndex(let index): writer.field(10) { index.encode(into: &$0) }
    case .setIndexState(let id, let state): element(11, id, state: state)
    case .renameIndex(let id, let name): element(12, id, name: name)
    case .retireIndex(let id): element(13, id)
    case .removeIndex(let id): element(14, id)
    case .replaceIndex(let old, let new):
      writer.field(21) {
        $0.field(1, old)
        $0.field(6, new)
      }
    case .replaceColumn(let old, let new):
      writer.field(22) {
        $0.field(1, old)
        $0.field(6, new)
      }
    case .setType(let id, let type):
      writer.field(23) {
        $0.field(1, id)
        $0.field(7) { type.encode(into: &$0) }
      }
    case .addConstraint(let constraint): writer.field(15) { constraint.encode(into: &$0) }
    case .setConstraintState(let id, let state): element(16, id, state: state)
    case .renameConstraint(let id, let name): element(17, id, name: name)
    case .removeConstraint(let id): element(18, id)
    case .setNullable(let id, let isNullable):
      writer.field(19) {
        $0.field(1, id)
        $0.field(4, isNullable)
      }
    case .setDefault(let id, let expression, let text, let sequences):
      writer.field(20) {
        $0.field(1, id)
        if let text { $0.field(2, text) }
        if let expression { $0.field(5, expression) }
        for sequence in sequences { $0.field(20, sequence) }
      }
    case .setSequence(let sequence): writer.field(40) { sequence.encode(into: &$0) }
    case .addReference(let reference): writer.field(50) { reference.encode(into: &$0) }
    case .removeReference(let reference): writer.field(51) { reference.encode(into: &$0) }
    case .setIndexVisibility(let id, let isVisible):
      writer.field(60) {
        $0.field(1, id)
        $0.field(4, isVisible)
      }
    case .dropGeneration(let id): element(70, id)
    case .moveTable(let namespace): writer.field(71, namespace)
    case .setComment(let place, let text):
      writer.field(72) {
        place.encode(into: &$0)
        if let text { $0.field(20, text) }
      }
    case .setRule(let id, let rule):
      writer.field(73) { ConstraintDescriptor(id: id, name: "", state: .absent, rule: rule).encode(into: &$0) }
    case .setPredicate(let id, let predicate):
      writer.field(74) {
        $0.field(1, id)
        if let predicate { $0.field(70) { predicate.encode(into: &$0) } }
      }
    case .setExpression(let id, let expression):
      writer.field(75) {
        $0.field(1, id)
        $0.field(70) { expression.encode(into: &$0) }
      }
    case .setView(let definition, let columns):
      writer.field(90) {
        $0.field(1) { definition.encode(into: &$0) }
        for column in columns { $0.field(2) { column.encode(into: &$0) } }
      }
    case .addEnumValue(let value): writer.field(100) { value.encode(into: &$0) }
    case .setEnumValueState(let id, let state): element(101, id, state: state)
    case .renameEnumValue(let id, let label): element(102, id, name: label)
    case .removeEnumValue(let id): element(103, id)
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let field = try reader.nextField() else { throw reader.failure("empty edit") }
    switch field.number {
    case 1: self = .createTable(try TableDescriptor(decoding: try field.slice()))
    case 2: self = .renameTable(try field.string())
    case 3: self = .startDropping
    case 4: self = .removeTable
    case 5: self = .addColumn(try ColumnDescriptor(decoding: try field.slice()))
    case 10: self = .addIndex(try IndexDescriptor(decoding: try field.slice()))
    case 15: self = .addConstraint(try ConstraintDescriptor(decoding: try field.slice()))
    case 40: self = .setSequence(try SequenceDescriptor(decoding: try field.slice()))
    case 50: self = .addReference(try ForeignKeyReference(decoding: try field.slice()))
    case 51: self = .removeReference(try ForeignKeyReference(decoding: try field.slice()))
    case 71: self = .moveTable(try field.identifier())
    case 72:
      var nested = try field.reader()
      var place: CommentPlace?
      var text: String?
      while let part = try nested.nextField() {
        if part.number == 20 { text = try part.string() } else { place = try CommentPlace(part) ?? place }
      }
      guard let place else { throw reader.failure("a comment on nothing") }
      self = .setComment(place, text)
    case 90:
      var nested = try field.reader()
      var definition = ViewDescriptor(query: [], dependencies: [])
      var columns: [ColumnDescriptor] = []
      while let part = try nested.nextField() {
        switch part.number {
        case 1: definition = try ViewDescriptor(decoding: try part.slice())
        case 2: columns.append(try ColumnDescriptor(decoding: try part.slice()))
        default: break
        }
      }
      self = .setView(definition, columns: columns)
    case 100: self = .addEnumValue(try EnumValueDescriptor(decoding: try field.slice()))
    case 73:
      let carrier = try ConstraintDescriptor(decoding: try field.slice())
      self = .setRule(carrier.id, carrier.rule)
    case 6...9, 11...14, 16...23, 60, 70, 74, 75, 101...103:
      var nested = try field.reader()
      var id: UInt64 = 0
      var name: String?
      var flag = false
      var expression: [UInt8]?
      var rule: RowExpression?
      var state = ElementState.absent
      var successor: UInt64 = 0
      var type = SQLType.unknown
      var sequences: [TableID] = []
      while let part = try nested.nextField() {
        switch part.number {
        case 1: id = try part.integer()
        case 2: name = try part.string()
        case 3: state = try Self.state(try part.integer())
        case 4: flag = try part.boolean()
        case 5: expression = try part.bytes()
        case 6: successor = try part.integer()
        case 7:
          var nested = try part.reader()
          type = try SQLType.decode(from: &nested)
        case 20: sequences.append(try part.identifier())
        case 70: rule = try RowExpression(decoding: try part.slice())
        default: break
        }
      }
      switch field.number {
      case 6: self = .setColumnState(ColumnID(id), state)
      case 7: self = .renameColumn(ColumnID(id), name ?? "")
      case 8: self = .retireColumn(ColumnID(id))
      case 9: self = .removeColumn(ColumnID(id))
      case 11: self = .setIndexState(IndexID(id), state)
      case 12: self = .renameIndex(IndexID(id), name ?? "")
      case 13: self = .retireIndex(IndexID(id))
      case 14: self = .removeIndex(IndexID(id))
      case 16: self = .setConstraintState(ConstraintID(id), state)
      case 17: self = .renameConstraint(ConstraintID(id), name ?? "")
      case 18: self = .removeConstraint(ConstraintID(id))
      case 19: self = .setNullable(ColumnID(id), flag)
      case 60: self = .setIndexVisibility(IndexID(id), isVisible: flag)
      case 70: self = .dropGeneration(ColumnID(id))
      case 74: self = .setPredicate(IndexID(id), rule)
      case 75:
        guard let rule else { throw reader.failure("a column without an expression") }
        self = .setExpression(ColumnID(id), rule)
      case 21: self = .replaceIndex(IndexID(id), with: IndexID(successor))
      case 22: self = .replaceColumn(ColumnID(id), with: ColumnID(successor))
      case 23: self = .setType(ColumnID(id), type)
      case 101: self = .setEnumValueState(EnumValueID(id), state)
      case 102: self = .renameEnumValue(EnumValueID(id), name ?? "")
      case 103: self = .removeEnumValue(EnumValueID(id))
      default: self = .setDefault(ColumnID(id), expression: expression, text: name, sequences: sequences)
      }
    default: throw reader.failure("unknown kind of edit \(field.number)")
    }
  }

  private static func state(_ raw: UInt64) throws(MalformedBytes) -> ElementState {
    guard let byte = UInt8(exactly: raw), let state = ElementState(rawValue: byte) else {
      throw MalformedBytes("unknown element state \(raw)")
    }
    return state
  }
}
