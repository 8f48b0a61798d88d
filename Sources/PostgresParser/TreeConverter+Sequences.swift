import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  func createSequence(_ create: PgQuery__CreateSeqStmt) throws(SQLError) -> CreateSequenceStatement {
    if string(create.sequence?.pointee.relpersistence) == "t" { throw .unsupported("CREATE TEMPORARY SEQUENCE") }
    return CreateSequenceStatement(
      name: try relation(create.sequence), ifNotExists: create.if_not_exists != 0,
      options: try sequenceOptions(create.options, create.n_options))
  }

  func alterSequence(_ alter: PgQuery__AlterSeqStmt) throws(SQLError) -> AlterSequenceStatement {
    AlterSequenceStatement(
      name: try relation(alter.sequence), ifExists: alter.missing_ok != 0,
      options: try sequenceOptions(alter.options, alter.n_options))
  }

  func sequenceOptions(
    _ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int
  ) throws(SQLError) -> SequenceOptionsSyntax {
    var options = SequenceOptionsSyntax()
    var seen: Set<String> = []
    for node in nodes(list, count) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM else { throw Self.malformed }
      let element = node.pointee.def_elem.pointee
      let name = string(element.defname)
      guard seen.insert(name).inserted else {
        throw SQLError(.syntaxError, "conflicting or redundant options", position: position(element.location))
      }
      switch name {
      case "as":
        guard let type = element.arg, type.pointee.node_case == PG_QUERY__NODE__NODE_TYPE_NAME else {
          throw Self.malformed
        }
        options.type = try typeName(type.pointee.type_name)
      case "increment": options.increment = try number(element)
      case "minvalue":
        options.minimum = element.arg == nil ? SequenceOptionsSyntax.Bound.none : .value(try number(element))
      case "maxvalue":
        options.maximum = element.arg == nil ? SequenceOptionsSyntax.Bound.none : .value(try number(element))
      case "start": options.start = try number(element)
      case "restart": options.restart = element.arg == nil ? .atStart : .value(try number(element))
      case "cache": options.cache = try number(element)
      case "cycle":
        guard let flag = element.arg, flag.pointee.node_case == PG_QUERY__NODE__NODE_BOOLEAN else {
          throw Self.malformed
        }
        options.isCycling = flag.pointee.boolean.pointee.boolval != 0
      case "owned_by": options.owner = try owner(element)
      default: throw .unsupported("the sequence option \(name)", position: position(element.location))
      }
    }
    return options
  }

  private func number(_ element: PgQuery__DefElem) throws(SQLError) -> Int64 {
    guard let value = element.arg else { throw Self.malformed }
    switch value.pointee.node_case {
    case PG_QUERY__NODE__NODE_INTEGER: return Int64(value.pointee.integer.pointee.ival)
    case PG_QUERY__NODE__NODE_FLOAT:
      let digits = string(value.pointee.float_.pointee.fval)
      if let number = Int64(digits) { return number }
      if digits.contains(where: { !$0.isNumber && $0 != "-" && $0 != "+" }) {
        throw SQLError(
          .invalidTextRepresentation, "invalid input syntax for type bigint: \"\(digits)\"",
          position: position(element.location))
      }
      throw SQLError(
        .numericValueOutOfRange, "value \"\(digits)\" is out of range for type bigint",
        position: position(element.location))
    default: throw Self.malformed
    }
  }

  private func owner(_ element: PgQuery__DefElem) throws(SQLError) -> SequenceOptionsSyntax.Owner {
    guard let list = element.arg, list.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
    let names = strings(list.pointee.list.pointee.items, list.pointee.list.pointee.n_items)
    if names == ["none"] { return .none }
    guard names.count > 1, let column = names.last else {
      throw SQLError(
        .syntaxError, "invalid OWNED BY option", hint: "Specify OWNED BY table.column or OWNED BY NONE.",
        position: position(element.location))
    }
    return .column(
      table: try relation(Array(names.dropLast()), at: position(element.location)), name: column)
  }
}
