import Basics
import SQLExpressions
import SQLValues

extension StatementBinder {
  /// Functions about the catalog whose answer does not depend on what there is: no rights are kept, nothing is described, no
  /// sizes are known. nil for other names.
  func catalogFunction(_ name: String, _ arguments: [Expression]) throws(SQLError) -> Expression? {
    switch name {
    case "pg_function_is_visible", "pg_operator_is_visible",
      "pg_opclass_is_visible", "pg_opfamily_is_visible", "pg_collation_is_visible", "pg_conversion_is_visible",
      "pg_statistics_obj_is_visible", "pg_ts_config_is_visible", "pg_ts_parser_is_visible", "pg_ts_dict_is_visible",
      "pg_ts_template_is_visible", "pg_relation_is_publishable", "has_schema_privilege", "has_table_privilege",
      "has_database_privilege", "has_column_privilege", "has_any_column_privilege", "has_sequence_privilege",
      "has_function_privilege", "has_tablespace_privilege", "has_type_privilege", "has_language_privilege",
      "pg_has_role":
      return .isTrue
    case "pg_is_in_recovery", "row_security_active": return .isFalse
    case "pg_encoding_to_char", "getdatabaseencoding": return .constant(.text("UTF8"), .name)
    case "pg_char_to_encoding": return .constant(.integer(6), .int4)
    case "pg_get_userbyid": return .constant(.text(session.userName), .name)
    case "current_schemas":
      let names = ["pg_catalog"] + session.searchPath
      let all = Expression.constant(.text(ArrayText.format(names)), .system(.nameArray))
      guard arguments.count == 1 else { return nil }
      let visible = Expression.constant(.text(ArrayText.format(session.searchPath)), .system(.nameArray))
      return try builder.conditional(
        [ConditionalBranch(condition: arguments[0], value: all)], otherwise: visible)
    case "pg_get_statisticsobjdef_columns", "pg_get_statisticsobjdef", "pg_get_function_result",
      "pg_get_function_arguments",
      "pg_get_function_identity_arguments", "pg_get_function_sqlbody", "pg_get_functiondef",
      "pg_get_ruledef", "pg_get_triggerdef", "pg_get_partkeydef", "pg_get_partition_constraintdef",
      "pg_tablespace_location", "pg_describe_object":
      return .constant(.null, .text)
    case "pg_table_size", "pg_relation_size", "pg_total_relation_size", "pg_indexes_size", "pg_database_size",
      "pg_tablespace_size":
      return .constant(.null, .int8)
    case "pg_get_expr":
      // The catalog holds expressions as text.
      guard let first = arguments.first, first.type == .text || first.type == .system(.nodeTree) else {
        return .constant(.null, .text)
      }
      let text = try builder.cast(first, to: .text)
      return arguments.count > 2 && arguments[2] == .isTrue ? .call(.prettyExpression, [text], .text) : text
    default: return nil
    }
  }
}
