import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  func transaction(_ statement: PgQuery__TransactionStmt) throws(SQLError) -> TransactionStatement {
    switch statement.kind {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
      return .begin(try modes(statement.options, statement.n_options), isStart: false)
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
      return .begin(try modes(statement.options, statement.n_options), isStart: true)
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT: return .commit(chain: statement.chain != 0)
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK: return .rollback(chain: statement.chain != 0)
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT: return .savepoint(string(statement.savepoint_name))
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
      return .releaseSavepoint(string(statement.savepoint_name))
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
      return .rollbackToSavepoint(string(statement.savepoint_name))
    default: throw .unsupported("two-phase commit by clients (PREPARE TRANSACTION)")
    }
  }

  private func modes(
    _ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int
  ) throws(SQLError) -> TransactionModes {
    var modes = TransactionModes()
    for node in nodes(list, count) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM else { throw Self.malformed }
      let element = node.pointee.def_elem.pointee
      let value = element.arg.flatMap { constantText($0) }
      switch string(element.defname) {
      case "transaction_isolation":
        guard let level = value.flatMap({ IsolationLevel(rawValue: $0) }) else { throw Self.malformed }
        modes.isolation = level
      case "transaction_read_only": modes.isReadOnly = value == "1"
      case "transaction_deferrable": modes.isDeferrable = value == "1"
      default: throw Self.malformed
      }
    }
    return modes
  }

  /// A literal as text: numbers as written, strings unquoted.
  func constantText(_ node: NodePointer) -> String? {
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_A_CONST:
      let constant = node.pointee.a_const.pointee
      switch constant.val_case {
      case PG_QUERY__A__CONST__VAL_IVAL: return String(constant.ival.pointee.ival)
      case PG_QUERY__A__CONST__VAL_FVAL: return string(constant.fval.pointee.fval)
      case PG_QUERY__A__CONST__VAL_SVAL: return string(constant.sval.pointee.sval)
      case PG_QUERY__A__CONST__VAL_BOOLVAL: return constant.boolval.pointee.boolval != 0 ? "true" : "false"
      default: return nil
      }
    case PG_QUERY__NODE__NODE_INTEGER: return String(node.pointee.integer.pointee.ival)
    case PG_QUERY__NODE__NODE_FLOAT: return string(node.pointee.float_.pointee.fval)
    case PG_QUERY__NODE__NODE_STRING: return string(node.pointee.string.pointee.sval)
    case PG_QUERY__NODE__NODE_BOOLEAN: return node.pointee.boolean.pointee.boolval != 0 ? "true" : "false"
    case PG_QUERY__NODE__NODE_TYPE_CAST: return node.pointee.type_cast.pointee.arg.flatMap { constantText($0) }
    default: return nil
    }
  }

  func variableSet(_ statement: PgQuery__VariableSetStmt) throws(SQLError) -> SessionStatement {
    let name = string(statement.name)
    let isLocal = statement.is_local != 0
    switch statement.kind {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
      var values: [String] = []
      for node in nodes(statement.args, statement.n_args) {
        guard let text = constantText(node) else { throw .unsupported("this value in SET") }
        values.append(text)
      }
      return .set(name: name.lowercased(), values: values, isLocal: isLocal)
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT: return .reset(name: name.lowercased(), isLocal: isLocal)
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET: return .reset(name: name.lowercased(), isLocal: false)
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL: return .resetAll
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
      switch name {
      case "TRANSACTION": return .setTransaction(try modes(statement.args, statement.n_args))
      case "SESSION CHARACTERISTICS": return .setSessionCharacteristics(try modes(statement.args, statement.n_args))
      default: throw .unsupported("SET \(name)")
      }
    default: throw .unsupported("SET … FROM CURRENT")
    }
  }

  func discard(_ statement: PgQuery__DiscardStmt) throws(SQLError) -> SessionStatement.Discard {
    switch statement.target {
    case PG_QUERY__DISCARD_MODE__DISCARD_ALL: .all
    case PG_QUERY__DISCARD_MODE__DISCARD_PLANS: .plans
    case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES: .sequences
    case PG_QUERY__DISCARD_MODE__DISCARD_TEMP: .temporary
    default: throw Self.malformed
    }
  }

  mutating func prepare(_ statement: PgQuery__PrepareStmt) throws(SQLError) -> Statement {
    var types: [TypeNameSyntax] = []
    for node in nodes(statement.argtypes, statement.n_argtypes) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_TYPE_NAME else { throw Self.malformed }
      types.append(try typeName(node.pointee.type_name))
    }
    return .prepare(name: string(statement.name), parameterTypes: types, try self.statement(statement.query))
  }

  mutating func explain(_ statement: PgQuery__ExplainStmt) throws(SQLError) -> Statement {
    var options = ExplainOptions()
    for node in nodes(statement.options, statement.n_options) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM else { throw Self.malformed }
      let element = node.pointee.def_elem.pointee
      let place = position(element.location)
      let value = element.arg.flatMap { constantText($0) }?.lowercased()
      let isOn = !["false", "off", "0"].contains(value)
      switch string(element.defname) {
      case "analyze": options.analyze = isOn
      case "verbose": options.verbose = isOn
      case "ddl": options.isSchemaChange = isOn
      case "costs", "timing", "summary", "buffers", "settings", "wal": break
      case "format":
        guard value == "text" else { throw .unsupported("EXPLAIN (FORMAT \(value ?? ""))", position: place) }
      case let other:
        throw SQLError(.syntaxError, "unrecognized EXPLAIN option \"\(other)\"", position: place)
      }
    }
    return .explain(options, try self.statement(statement.query))
  }
}
