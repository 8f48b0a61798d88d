import Basics
import Catalog
import SQLValues

// Absence is "not said"; `NO MINVALUE` and the like are fields of their own.

extension SequenceOptions {
  func encode(into writer: inout ByteWriter) {
    if let type { writer.field(1) { type.encode(into: &$0) } }
    if let increment { writer.field(2, signed: increment) }
    switch minimum {
    case .value(let value): writer.field(3, signed: value)
    case .some(.none): writer.field(4, true)
    case nil: break
    }
    switch maximum {
    case .value(let value): writer.field(5, signed: value)
    case .some(.none): writer.field(6, true)
    case nil: break
    }
    if let start { writer.field(7, signed: start) }
    switch restart {
    case .atStart: writer.field(8, true)
    case .value(let value, let isCalled): writer.field(isCalled ? 10 : 9, signed: value)
    case nil: break
    }
    if let cache { writer.field(11, signed: cache) }
    if let isCycling { writer.field(12, isCycling) }
    switch owner {
    case .some(.none): writer.field(13, true)
    case .column(let table, let name):
      writer.field(14) {
        $0.field(1) { table.encode(into: &$0) }
        $0.field(2, name)
      }
    case nil: break
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init()
    while let field = try reader.nextField() {
      switch field.number {
      case 1:
        var nested = try field.reader()
        type = try SQLType.decode(from: &nested)
      case 2: increment = try field.signed()
      case 3: minimum = .value(try field.signed())
      case 4: minimum = SequenceOptions.Bound.none
      case 5: maximum = .value(try field.signed())
      case 6: maximum = SequenceOptions.Bound.none
      case 7: start = try field.signed()
      case 8: restart = .atStart
      case 9: restart = .value(try field.signed(), isCalled: false)
      case 10: restart = .value(try field.signed(), isCalled: true)
      case 11: cache = try field.signed()
      case 12: isCycling = try field.boolean()
      case 13: owner = SequenceOptions.Owner.none
      case 14:
        var nested = try field.reader()
        var table = ObjectName(name: "")
        var name = ""
        while let part = try nested.nextField() {
          switch part.number {
          case 1: table = try ObjectName(decoding: try part.slice())
          case 2: name = try part.string()
          default: break
          }
        }
        owner = .column(table: table, name: name)
      default: break
      }
    }
  }
}

extension ColumnGenerator {
  func encode(into writer: inout ByteWriter) {
    if let identity { writer.field(1, UInt64(identity.rawValue)) }
    writer.field(2) { options.encode(into: &$0) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(identity: nil)
    while let field = try reader.nextField() {
      switch field.number {
      case 1:
        guard let raw = UInt8(exactly: try field.integer()), let kind = IdentityKind(rawValue: raw) else {
          throw reader.failure("unknown kind of identity")
        }
        identity = kind
      case 2: options = try SequenceOptions(decoding: try field.slice())
      default: break
      }
    }
  }
}
