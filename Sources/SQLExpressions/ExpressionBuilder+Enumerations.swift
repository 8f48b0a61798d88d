import Basics
import SQLValues

extension ExpressionBuilder {
  /// `enum_first`, `enum_last` and `enum_range`: what they answer follows from the type alone, or from two constants of it. nil for
  /// other names.
  mutating func enumerationCall(_ name: String, _ arguments: [Expression]) throws(SQLError) -> Expression? {
    let counts: [String: Set<Int>] = ["enum_first": [1], "enum_last": [1], "enum_range": [1, 2]]
    guard let expected = counts[name], expected.contains(arguments.count) else { return nil }
    guard let type = arguments.map(\.type).first(where: { $0 != .unknown }) else {
      throw SQLError(.datatypeMismatch, "could not determine polymorphic type because input has type unknown")
    }
    guard case .enumerated(let enumeration) = type, arguments.allSatisfy({ $0.type == type || $0.type == .unknown })
    else { return nil }
    let values = enumeration.values.filter(\.isUsable)
    switch name {
    case "enum_first", "enum_last":
      guard let value = name == "enum_first" ? values.first : values.last else {
        throw SQLError(.objectNotInPrerequisiteState, "enum \(enumeration.name) contains no values")
      }
      return .constant(.bytes(value.key), type)
    default:
      var bounds: [Datum] = []
      for argument in arguments.count == 1 ? [] : arguments {
        guard let typed = try coerced(argument, to: type, in: .implicit),
          case .constant(let bound, _) = typed
        else { throw .unsupported("enum_range of values that are not constant") }
        bounds.append(bound)
      }
      let chosen = values.filter { value in
        let datum = Datum.bytes(value.key)
        return (bounds.first.map { $0.isNull || Datum.compare($0, datum) <= 0 } ?? true)
          && (bounds.last.map { $0.isNull || Datum.compare(datum, $0) <= 0 } ?? true)
      }
      return .constant(.text(ArrayText.format(chosen.map(\.label))), .system(.textArray))
    }
  }
}

extension Expression {
  /// With enumerated types as `known` knows them: in what is stored they are ids, or have the labels of when it was stored.
  public func resolvingEnumerations(_ known: (EnumType) -> EnumType?) -> Expression {
    func resolved(_ type: SQLType) -> SQLType {
      guard case .enumerated(let enumeration) = type, let found = known(enumeration) else { return type }
      return .enumerated(found)
    }
    let mapped = mapChildren { $0.resolvingEnumerations(known) }
    switch mapped {
    case .constant(let value, let type): return .constant(value, resolved(type))
    case .column(let position, let type): return .column(position, resolved(type))
    case .parameter(let position, let type): return .parameter(position, resolved(type))
    case .call(let function, let arguments, let type): return .call(function, arguments, resolved(type))
    case .conditional(let branches, let otherwise, let type):
      return .conditional(branches, otherwise: otherwise, resolved(type))
    case .coalesce(let values, let type): return .coalesce(values, resolved(type))
    case .greatest(let values, let type): return .greatest(values, resolved(type))
    case .least(let values, let type): return .least(values, resolved(type))
    case .nullIf(let left, let right, let type): return .nullIf(left, right, resolved(type))
    case .cast(let operand, let from, let to, let isExplicit):
      return .cast(operand, from: resolved(from), to: resolved(to), isExplicit: isExplicit)
    case .comparison, .and, .or, .not, .isNull, .isDistinct, .isTruth, .inList: return mapped
    }
  }

  /// With enumerated types under other ids. `id` is nil for one that stays as it is.
  public func renumberingEnumerations(_ id: (TableID) -> TableID?) -> Expression {
    resolvingEnumerations { type in
      id(type.id).map { EnumType(id: $0, name: type.name, values: type.values) }
    }
  }

  /// Without the casts between labels and values, which hold as long as nobody changes the type.
  public var besideLabels: Expression {
    let mapped = mapChildren(\.besideLabels)
    guard case .cast(let operand, let from, let to, _) = mapped, from.isEnumerated || to.isEnumerated else {
      return mapped
    }
    return operand
  }
}
