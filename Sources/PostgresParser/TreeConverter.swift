import Basics
import CPgQuery
import SQLSyntax

typealias NodePointer = UnsafeMutablePointer<PgQuery__Node>

/// What a statement names databases with: only its session knows which one is meant by that.
final class DatabaseReferences {
  private(set) var all: [DatabaseReferenceSyntax] = []

  func note(_ names: [String], at position: Int?) { all.append(DatabaseReferenceSyntax(names, at: position)) }
}

/// Walks the library's tree and makes values of it. What has no counterpart in SQLSyntax throws 0A000 with its name.
struct TreeConverter {
  let positions: SourcePositions
  /// The highest `$n` met.
  private(set) var parameterCount = 0
  /// Databases that were named.
  let databases = DatabaseReferences()
  private var depth = 0

  init(positions: SourcePositions) { self.positions = positions }

  /// The statement, or the reason why it cannot be executed.
  mutating func topStatement(_ node: NodePointer?) -> Statement {
    do throws(SQLError) { return try statement(node) } catch { return .unsupported(error) }
  }

  mutating func statement(_ node: NodePointer?) throws(SQLError) -> Statement {
    guard let node else { throw Self.malformed }
    if let object = try objectStatement(node) { return .object(object) }
    if let view = try viewStatement(node) { return .object(.view(view)) }
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
      if let into = Self.takeInto(node.pointee.select_stmt) {
        return .createTableAs(try createTable(into, as: node.pointee.select_stmt))
      }
      return .select(try select(node.pointee.select_stmt))
    case PG_QUERY__NODE__NODE_INSERT_STMT: return .insert(try insert(node.pointee.insert_stmt.pointee))
    case PG_QUERY__NODE__NODE_UPDATE_STMT: return .update(try update(node.pointee.update_stmt.pointee))
    case PG_QUERY__NODE__NODE_DELETE_STMT: return .delete(try delete(node.pointee.delete_stmt.pointee))
    case PG_QUERY__NODE__NODE_CREATE_STMT: return .createTable(try createTable(node.pointee.create_stmt.pointee))
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      return .createTableAs(try createTableAs(node.pointee.create_table_as_stmt.pointee))
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
      let alter = node.pointee.alter_table_stmt.pointee
      return alter.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX
        ? .alterIndex(try alterIndex(alter)) : .alterTable(try alterTable(alter))
    case PG_QUERY__NODE__NODE_RENAME_STMT: return .rename(try rename(node.pointee.rename_stmt.pointee))
    case PG_QUERY__NODE__NODE_INDEX_STMT: return .createIndex(try createIndex(node.pointee.index_stmt.pointee))
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
      return .createSequence(try createSequence(node.pointee.create_seq_stmt.pointee))
    case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT:
      return .alterSequence(try alterSequence(node.pointee.alter_seq_stmt.pointee))
    case PG_QUERY__NODE__NODE_DROP_STMT: return .drop(try drop(node.pointee.drop_stmt.pointee))
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
      let truncate = node.pointee.truncate_stmt.pointee
      return .truncate(try self.truncate(truncate), restartsIdentity: truncate.restart_seqs != 0)
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
      return .transaction(try transaction(node.pointee.transaction_stmt.pointee))
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
      return .session(try variableSet(node.pointee.variable_set_stmt.pointee))
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
      let name = string(node.pointee.variable_show_stmt.pointee.name)
      return .session(name == "all" ? .showAll : .show(name: name.lowercased()))
    case PG_QUERY__NODE__NODE_DISCARD_STMT: return .session(.discard(try discard(node.pointee.discard_stmt.pointee)))
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
      return .session(.listen(channel: string(node.pointee.listen_stmt.pointee.conditionname)))
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
      return .session(.unlisten(channel: optionalString(node.pointee.unlisten_stmt.pointee.conditionname)))
    case PG_QUERY__NODE__NODE_PREPARE_STMT: return try prepare(node.pointee.prepare_stmt.pointee)
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
      let execute = node.pointee.execute_stmt.pointee
      return .execute(
        name: string(execute.name), arguments: try expressions(execute.params, execute.n_params))
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
      return .deallocate(name: optionalString(node.pointee.deallocate_stmt.pointee.name))
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
      return .closeCursor(name: optionalString(node.pointee.close_portal_stmt.pointee.portalname))
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT: return try explain(node.pointee.explain_stmt.pointee)
    default: throw SQLError.unsupported(Self.statementName(node))
    }
  }

  static let malformed = SQLError(.internalError, "the parser returned an incomplete tree")

  // MARK: Parts

  func position(_ location: Int32) -> Int? { location < 0 ? nil : positions.character(atByte: Int(location)) }

  func string(_ pointer: UnsafeMutablePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }

  /// Absent strings come as empty ones.
  func optionalString(_ pointer: UnsafeMutablePointer<CChar>?) -> String? {
    let text = string(pointer)
    return text.isEmpty ? nil : text
  }

  /// The nodes of a repeated field.
  func nodes(_ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int) -> [NodePointer] {
    guard let list, count > 0 else { return [] }
    return UnsafeBufferPointer(start: list, count: count).compactMap { $0 }
  }

  func stringValue(_ node: NodePointer) -> String? {
    guard node.pointee.node_case == PG_QUERY__NODE__NODE_STRING else { return nil }
    return string(node.pointee.string.pointee.sval)
  }

  func strings(_ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int) -> [String] {
    nodes(list, count).compactMap { stringValue($0) }
  }

  mutating func noteParameter(_ number: Int) { parameterCount = max(parameterCount, number) }

  /// Counts one level of the tree while `body` runs; 54001 beyond the limit.
  mutating func nested<Result>(
    _ body: (inout TreeConverter) throws(SQLError) -> Result
  ) throws(SQLError) -> Result {
    guard depth < ParserLimits.maximumTreeDepth else { throw StatementParser.tooComplex }
    depth += 1
    let result = try body(&self)
    depth -= 1
    return result
  }

  func relation(_ range: UnsafeMutablePointer<PgQuery__RangeVar>?) throws(SQLError) -> RelationNameSyntax {
    guard let range = range?.pointee else { throw Self.malformed }
    let place = position(range.location)
    if let database = optionalString(range.catalogname) {
      databases.note([database, string(range.schemaname), string(range.relname)], at: place)
    }
    return RelationNameSyntax(schema: optionalString(range.schemaname), name: string(range.relname), at: place)
  }

  /// A qualified name as a list of strings.
  func relation(_ names: [String], at place: Int? = nil) throws(SQLError) -> RelationNameSyntax {
    switch names.count {
    case 1: return RelationNameSyntax(name: names[0], at: place)
    case 2: return RelationNameSyntax(schema: names[0], name: names[1], at: place)
    case 3:
      databases.note(names, at: place)
      return RelationNameSyntax(schema: names[1], name: names[2], at: place)
    default:
      throw SQLError(
        .syntaxError, "improper qualified name (too many dotted names): \(names.joined(separator: "."))",
        position: place)
    }
  }

  func alias(_ alias: UnsafeMutablePointer<PgQuery__Alias>?) -> TableAlias? {
    guard let alias = alias?.pointee else { return nil }
    return TableAlias(name: string(alias.aliasname), columnNames: strings(alias.colnames, alias.n_colnames))
  }

  func typeName(_ pointer: UnsafeMutablePointer<PgQuery__TypeName>?) throws(SQLError) -> TypeNameSyntax {
    guard let type = pointer?.pointee else { throw Self.malformed }
    let place = position(type.location)
    if type.setof != 0 { throw .unsupported("SETOF", position: place) }
    if type.pct_type != 0 { throw .unsupported("%TYPE", position: place) }
    var modifiers: [Int] = []
    for node in nodes(type.typmods, type.n_typmods) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_A_CONST,
        node.pointee.a_const.pointee.val_case == PG_QUERY__A__CONST__VAL_IVAL
      else {
        throw SQLError(.invalidParameterValue, "type modifiers must be simple constants", position: place)
      }
      modifiers.append(Int(node.pointee.a_const.pointee.ival.pointee.ival))
    }
    var names = strings(type.names, type.n_names)
    if names.count == 3 {
      databases.note(names, at: place)
      names.removeFirst()
    }
    return TypeNameSyntax(
      names: names, modifiers: modifiers, isArray: type.n_array_bounds > 0, at: place)
  }

  private static func statementName(_ node: NodePointer) -> String {
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT: "TRUNCATE"
    case PG_QUERY__NODE__NODE_COPY_STMT: "COPY"
    case PG_QUERY__NODE__NODE_MERGE_STMT: "MERGE"
    case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT: "CREATE ROLE"
    case PG_QUERY__NODE__NODE_ALTER_ROLE_STMT, PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT: "ALTER ROLE"
    case PG_QUERY__NODE__NODE_DROP_ROLE_STMT: "DROP ROLE"
    case PG_QUERY__NODE__NODE_GRANT_STMT, PG_QUERY__NODE__NODE_GRANT_ROLE_STMT: "GRANT/REVOKE"
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT: "CREATE FUNCTION"
    case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT: "CREATE TRIGGER"
    case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT: "CREATE EXTENSION"
    case PG_QUERY__NODE__NODE_DEFINE_STMT: "CREATE of this kind of object"
    case PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT: "ALTER DOMAIN"
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT: "CREATE DOMAIN"
    case PG_QUERY__NODE__NODE_CREATE_STATS_STMT: "CREATE STATISTICS"
    case PG_QUERY__NODE__NODE_VACUUM_STMT: "VACUUM/ANALYZE"
    case PG_QUERY__NODE__NODE_REINDEX_STMT: "REINDEX"
    case PG_QUERY__NODE__NODE_CLUSTER_STMT: "CLUSTER"
    case PG_QUERY__NODE__NODE_LOCK_STMT: "LOCK TABLE"
    case PG_QUERY__NODE__NODE_DO_STMT: "DO"
    case PG_QUERY__NODE__NODE_CALL_STMT: "CALL"
    case PG_QUERY__NODE__NODE_NOTIFY_STMT: "NOTIFY"
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT: "DECLARE CURSOR"
    case PG_QUERY__NODE__NODE_FETCH_STMT: "FETCH"
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT: "SET CONSTRAINTS"
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT: "CHECKPOINT"
    case PG_QUERY__NODE__NODE_ALTER_OWNER_STMT: "OWNER TO"
    case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT: "ALTER SYSTEM"
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT, PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT: "ALTER DATABASE"
    case PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT: "CREATE PUBLICATION"
    case PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT: "CREATE SUBSCRIPTION"
    case PG_QUERY__NODE__NODE_CREATE_POLICY_STMT: "CREATE POLICY"
    case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT: "REFRESH MATERIALIZED VIEW"
    default: "this statement (node \(node.pointee.node_case.rawValue))"
    }
  }
}
